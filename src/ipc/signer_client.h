/*
 * Asking the signer: one question, one answer, over the channel "signer" that the supervisor made.
 * Blocking, because a signature takes well under a millisecond and the caller cannot go on without
 * it; the caller waits two seconds at most for a signer that does not answer (ten where a key pair
 * has to be made, or files of keys are written).
 */
#pragma once

#include "base/arena.h"
#include "ipc/ipc.h"

/* The limits of a question: a packet is its head, struct msg_sign, and these. */
enum { SIGNER_BYTES_MAX = IPC_PACKET_MAX - sizeof(struct message_head) - sizeof(struct msg_sign) };

/*
 * Asks over FD for KIND of BYTES. *NEXT_ID is the asker's counter, 0 at first; it then starts at
 * random, so that answers to a predecessor of this process, which may still lie in the channel, are
 * told apart and skipped. OUT lies in ARENA; KID (may be NULL) names the key that was used, "" if
 * none. UNAVAILABLE or DEADLINE_EXCEEDED when there is no answer; what the signer refuses is
 * FAILED_PRECONDITION with its sentence.
 */
bool signer_call(int fd, uint64_t *next_id, enum sign_kind kind, struct slice bytes,
                 struct arena *arena, struct slice *out, char kid[64], struct error *err);

/*
 * Like the function above, for signatures with the platform-managed key of an account. SUB: its
 * unique ID, digits. SIGN_ACCOUNT_JWT: BYTES are the claims, a JSON object; OUT is the whole JWT
 * (RS256). SIGN_ACCOUNT_KEY: no bytes; OUT as in ipc.h. SIGN_ACCOUNT_BLOB: any bytes; OUT is the
 * RSA PKCS #1 v1.5 signature over their SHA-256.
 */
bool signer_call_account(int fd, uint64_t *next_id, enum sign_kind kind, struct slice sub,
                         struct slice bytes, struct arena *arena, struct slice *out, char kid[64],
                         struct error *err);

/*
 * SIGN_SEAL and SIGN_OPEN of BYTES under NAME, which has no NUL. What was sealed under one name is
 * opened under no other.
 */
bool signer_call_named(int fd, uint64_t *next_id, enum sign_kind kind, struct slice name,
                       struct slice bytes, struct arena *arena, struct slice *out,
                       struct error *err);
