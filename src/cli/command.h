/*
 * Commands as rows: parsing, help, completion and the manual page all come from commands.c.
 */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"

enum flag_kind {
    FLAG_SWITCH, /* --plain */
    FLAG_TEXT,   /* --data DIR, --data=DIR */
    FLAG_NUMBER, /* decimal, 0 or more */
    FLAG_LIST,   /* may be repeated; each value may hold several, with commas between */
    FLAG_PAIRS,  /* KEY=VALUE,KEY=VALUE; may be repeated */
};

struct flag {
    const char *name; /* without the dashes; a row without a name ends a table */
    enum flag_kind kind;
    const char *value; /* what help calls it: "DIR" */
    const char *help;
    const char *choices; /* "sh|json"; NULL: anything */
};

enum { FLAG_TABLES = 4, ARGUMENTS_MAX = 64, OPTIONS_MAX = 256 };

struct cli; /* see session.h */

struct command {
    const char *name;      /* "services describe" */
    const char *arguments; /* "SERVICE", "NAME -- COMMAND…", "" */
    const char *help;      /* one line */
    unsigned arguments_min, arguments_max;
    bool takes_rest; /* what stands behind "--" belongs to the command */
    const struct flag *flags[FLAG_TABLES];
    int (*run)(struct cli *cli);
};

extern const struct command commands[]; /* ends with a row without a name */

/* A command line, taken apart. */
struct invocation {
    const struct command *command;
    const char *arguments[ARGUMENTS_MAX];
    unsigned argument_count;
    const char *const *rest; /* behind "--" */
    unsigned rest_count;
    struct option {
        const struct flag *flag;
        const char *value; /* "" of a switch */
    } options[OPTIONS_MAX];
    unsigned option_count;
    bool wants_help;
};

/* INVALID_ARGUMENT, with the nearest name where one is near, on failure. */
bool invocation_parse(struct invocation *out, int count, char *const *words, struct error *err);

/* Is WORD the first of commands with two, as "services" is? */
bool command_group(const char *word);
/* The flag NAME of COMMAND; NULL if it has none. */
const struct flag *command_flag(const struct command *command, struct slice name);
/* Whether VALUE suits FLAG. */
bool flag_check(const struct flag *flag, const char *value, struct error *err);

bool option_given(const struct invocation *invocation, const char *name);
/* The last value given; OTHERWISE if none. */
const char *option_text(const struct invocation *invocation, const char *name,
                        const char *otherwise);
uint64_t option_number(const struct invocation *invocation, const char *name, uint64_t otherwise);
/* As if --NAME=VALUE had been given last; false if the command has no such flag, or was given too
 * many. VALUE has to stay. */
bool option_add(struct invocation *invocation, const char *name, const char *value);
/*
 * Walks all values of a list, over all its flags, cut at commas; starts as all zeroes. As with
 * gcloud, "^;^a;b" cuts at ';' instead.
 */
struct option_walk {
    unsigned at;
    struct slice rest;
    char separator;
};
bool option_next(const struct invocation *invocation, const char *name, struct option_walk *walk,
                 struct slice *value);

/* The name among those of NAMES (ends with NULL) that is nearest to TEXT; NULL if none is near. */
const char *nearest_name(struct slice text, const char *const *names);

/* ---- help.c ---- */

void help_overview(struct buffer *out);
/* GROUP: the first word of several commands. */
void help_group(struct buffer *out, const char *group);
void help_command(struct buffer *out, const struct command *command);
/* FORM: "bash", "zsh" or "man". False if it is none of them. */
bool help_completion(struct buffer *out, const char *form);
