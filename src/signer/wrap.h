/*
 * The keys of a node in one piece, wrapped by a key that the operator of a cluster gives to each
 * node in a file (--cluster-key), so that they may lie in the record: the issuer's keys with their
 * order, the local CA, the key of secrets, the doors' keys. Keys of accounts are not in it: each
 * node makes its own.
 *
 * The file has one key a line, 32 bytes in base64. The first wraps; each of them unwraps, so
 * that the key can be exchanged on a running cluster: first the new one is added on every node,
 * then it becomes the first.
 */
#pragma once

#include "signer/keyring.h"

/*
 * Reads FILE into OUT. "" is no file: OUT is empty. FAILED_PRECONDITION, in words: others than its
 * owner (and the group of root's) may read it, or a line is no key.
 */
bool wrap_keys_read(const char *file, struct wrap_keys *out, struct error *err);

/* All keys of KEYRING but those of accounts, encrypted, in ARENA. FAILED_PRECONDITION without a
 * key to wrap by. */
bool wrap_keyring(const struct keyring *keyring, struct arena *arena, struct slice *out,
                  struct error *err);

/*
 * KEYRING, on disk and in memory, becomes what WRAPPED holds; nothing is written where it is that
 * already. *OLD: it was wrapped by another key than the first. FAILED_PRECONDITION: none of our
 * keys unwraps it; DATA_LOSS: it is damaged. Nothing has changed then.
 */
bool unwrap_keyring(struct keyring *keyring, struct slice wrapped, int64_t now_s, bool *old,
                    struct error *err);
