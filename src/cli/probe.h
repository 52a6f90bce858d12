/* A stranger's look at each service: `access probe`, and `doctor --probe`. */
#pragma once

#include "base/error.h"

struct cli;

enum probe_declared { PROBE_CLOSED, PROBE_OPEN, PROBE_DEPENDS }; /* DEPENDS: under a condition */

struct probe_result {
    const char *service;
    enum probe_declared declared;
    bool answered; /* else: why */
    bool let_in;   /* past the gate */
    int status;
    bool differs;
    struct error why;
};
typedef void probe_fn(const struct probe_result *result, void *ctx);

/*
 * Asks every service of the project that has an address, with one HEAD each, which wakes those that
 * are public. False and *err if what is declared cannot be read.
 */
bool probe_all(struct cli *cli, probe_fn *each, void *ctx, struct error *err);
const char *probe_word(enum probe_declared declared);
