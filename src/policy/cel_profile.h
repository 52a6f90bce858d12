/*
 * The two profiles of one language: what an expression may read, and how much of CEL it may use.
 * The parser (cel_compile.c), its functions (cel_functions.c) and the machine (cel_eval.c) are the
 * same.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum cel_profile_kind {
    PROFILE_CONDITION =
        1,              /* of IAM policies: about a request, every type known when it is written */
    PROFILE_CUSTOM = 2, /* about documents, whose types are known only when it is evaluated */
};

struct cel_profile {
    enum cel_profile_kind kind;
    size_t source_max;        /* bytes */
    size_t program_max;       /* bytes */
    unsigned operators_max;   /* of && || ! */
    unsigned stack_max;       /* values that stand at once */
    unsigned list_max;        /* elements of a list, names and values of a map */
    const char *const *names; /* PROFILE_CUSTOM: what it is about, ends with NULL */
    bool whole;               /* the one name is all of what is given, not a part of it */
};
