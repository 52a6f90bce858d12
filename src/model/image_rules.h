/*
 * What a deployer may change about the program of an image of this machine. The program runs on
 * this machine, so the administrator who registered it decides: by default a deployer chooses
 * nothing but the values of variables that the registration declares. Control checks this when a
 * service is deployed; the engine checks it again when it starts an instance. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "codec/codec.h"

struct image_rules {
    bool built_in;     /* one of ours: any arguments, and all variables that its loader ignores */
    bool args;         /* any arguments may follow the program */
    bool safe_env;     /* all variables that no loader or interpreter reads */
    bool listens_wide; /* it may listen on more than the loopback */
    const char *const
        *env; /* names that may be set, whichever program reads them; ends with NULL */
};

/* What a deployment asks for. Each list ends with NULL. */
struct image_ask {
    const char *const *program; /* as registered */
    const char *const *command, *const *args;
    const char *const *env; /* names */
};

enum image_part { IMAGE_FINE, IMAGE_COMMAND, IMAGE_ARGS, IMAGE_ENV };

/*
 * IMAGE_FINE, or the first part of ASK that RULES do not let a deployer choose. WHY is then a whole
 * sentence for the user, without its full stop, that says who can allow it, and how.
 */
enum image_part image_rules_check(const struct image_rules *rules, const struct image_ask *ask,
                                  char *why, size_t why_bytes);

/*
 * Which program reads the variable NAME to decide what to load or run, or what files to trust:
 * "Python", "the dynamic loader". NULL if none is known to.
 */
const char *image_env_reader(const char *name);

/*
 * The rules as JSON: {"builtIn", "allowArgs", "allowSafeEnv", "allowEnv", "listensWide"}, and the
 * declared variables "env" ([{"name", "value"}]), of an image document or a run record. Texts are
 * copied into ARENA.
 */
struct image_rules image_rules_read(struct arena *arena, const json_t *image);
/* The same members, and no others, for a run record. The caller owns the object. */
json_t *image_rules_record(const json_t *image);
