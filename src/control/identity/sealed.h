/*
 * What is remembered of a flow between two requests, kept by whoever asks: in a URL, a form or a
 * cookie, encrypted and authenticated, so that every node of a cluster can go on with it and a
 * stranger who begins flows costs no memory and no change of the record. What may be used only once
 * is marked besides (once.h).
 *
 * A text is the base64url of a random salt, the encrypted JSON and its tag: AES-256-GCM (NIST SP
 * 800-38D) under a key of its own, HMAC-SHA256 of purpose, bound and salt under the sealer's key. A
 * text that was sealed for one purpose, or bound to one value, opens for no other.
 */
#pragma once

#include "codec/codec.h"

struct sealer; /* opaque */

enum { SEALER_KEY_BYTES = 32, SEALED_TEXT_MAX = 16 << 10, SEALED_SKEW_S = 60 };

/* BOOT: clock_boot_id() of this machine. */
struct sealer *sealer_new(const unsigned char key[SEALER_KEY_BYTES], const char *boot);
void sealer_free(struct sealer *sealer);

/* clock_wall_us() and clock_boot_us() of one moment. */
struct moment {
    int64_t wall_us, boot_us;
};
struct moment moment_now(void);

struct sealed_terms {
    const char *purpose;
    struct slice bound; /* what has to come with the text, too; may be "" */
    int64_t lasts_s;    /* the same where it is opened */
};

/* BODY (lent), sealed at MADE; in ARENA. */
struct slice sealed_new(const struct sealer *sealer, struct arena *arena,
                        const struct sealed_terms *terms, const json_t *body, struct moment made);
/*
 * The body, owned by the caller; NULL for anything that was not sealed so, or is over. On the
 * machine that sealed it, the clock that nobody sets decides; on another one the wall clock, which
 * may be behind the first one's by SEALED_SKEW_S. *made (may be NULL): when it was sealed.
 */
json_t *sealed_open(const struct sealer *sealer, struct arena *arena,
                    const struct sealed_terms *terms, struct slice text, struct moment now,
                    struct moment *made);

/* A secret that every node makes of TEXT, for PURPOSE: 43 characters, like a ticket. In ARENA. */
struct slice sealer_derive(const struct sealer *sealer, struct arena *arena, const char *purpose,
                           struct slice text);
