/*
 * Who guesses secrets: wrong tries are counted by address, and after ten of them within a minute
 * the address has to wait. A table of fixed size; the oldest makes room.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct guesses; /* opaque */

enum { GUESSES_MAX = 10, GUESSES_MINUTE_S = 60 };

struct guesses *guesses_new(void);
void guesses_free(struct guesses *guesses);

/* A wrong try from ADDRESS ("192.0.2.1"; of IPv6, the first 64 bits count as one). */
void guesses_count(struct guesses *guesses, const char *address, int64_t now_us);
bool guesses_too_many(const struct guesses *guesses, const char *address, int64_t now_us);
