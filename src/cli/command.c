#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAME_MAX_BYTES = 48, NAMES_MAX = 128 };

/* ---- nearest name ---- */

/* Levenshtein, over short names only. */
static unsigned distance(struct slice a, struct slice b)
{
    unsigned row[NAME_MAX_BYTES + 1];
    for (size_t j = 0; j <= b.len; j++) {
        row[j] = (unsigned)j;
    }
    for (size_t i = 0; i < a.len; i++) {
        unsigned corner = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < b.len; j++) {
            unsigned best = corner + (a.data[i] != b.data[j]);
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j + 1] + 1 < best ? row[j + 1] + 1 : best;
            corner = row[j + 1];
            row[j + 1] = best;
        }
    }
    return row[b.len];
}

const char *nearest_name(struct slice text, const char *const *names)
{
    const char *best = NULL;
    unsigned least = text.len < 4 ? 1 : (unsigned)text.len / 3 + 1;
    for (; *names != NULL && text.len <= NAME_MAX_BYTES; names++) {
        struct slice name = slice_of(*names);
        unsigned far = name.len > NAME_MAX_BYTES ? UINT32_MAX : distance(text, name);
        bool is_start = text.len >= 3 && slice_starts(name, text);
        if (far < least || (far == least && best == NULL) || (is_start && best == NULL)) {
            best = *names;
            least = far < least ? far : least;
        }
    }
    return best;
}

/* ---- flags ---- */

const struct flag *command_flag(const struct command *command, struct slice name)
{
    for (size_t t = 0; t < FLAG_TABLES && command->flags[t] != NULL; t++) {
        for (const struct flag *flag = command->flags[t]; flag->name != NULL; flag++) {
            if (slice_is(name, flag->name)) {
                return flag;
            }
        }
    }
    return NULL;
}

static bool is_choice(struct slice choices, const char *value)
{
    struct slice choice;
    while (slice_cut(&choices, '|', &choice)) {
        if (slice_is(choice, value)) {
            return true;
        }
    }
    return false;
}

bool flag_check(const struct flag *flag, const char *value, struct error *err)
{
    uint64_t number;
    if (flag->kind == FLAG_NUMBER && !slice_to_u64(slice_of(value), &number)) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "--%s %s: that is no number", flag->name,
                         value);
    }
    if (flag->choices != NULL && !is_choice(slice_of(flag->choices), value)) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "--%s %s: it must be one of %s", flag->name,
                         value, flag->choices);
    }
    return true;
}

static bool refuse_flag(const struct command *command, struct slice name, struct error *err)
{
    const char *names[NAMES_MAX + 1] = {"help"};
    size_t count = 1;
    for (size_t t = 0; t < FLAG_TABLES && command->flags[t] != NULL; t++) {
        for (const struct flag *flag = command->flags[t]; flag->name != NULL; flag++) {
            if (count < NAMES_MAX) {
                names[count++] = flag->name;
            }
        }
    }
    names[count] = NULL;
    const char *near = nearest_name(name, names);
    return error_set(err, STATUS_INVALID_ARGUMENT,
                     "`homerun %s` has no flag --%.*s%s%s%s (`homerun %s --help` lists them)",
                     command->name, SLICE_ARG(name), near == NULL ? "" : ": did you mean --",
                     near == NULL ? "" : near, near == NULL ? "" : "?", command->name);
}

/* One word that starts with "--"; takes the next word too if it is the value. */
static bool parse_flag(struct invocation *out, const char *word, const char *next, bool *took_next,
                       struct error *err)
{
    struct slice name = slice_of(word + 2);
    ptrdiff_t equals = slice_find(name, '=');
    const char *value = equals < 0 ? NULL : word + 2 + equals + 1;
    name = equals < 0 ? name : slice_upto(name, (size_t)equals);
    if (slice_is(name, "help")) {
        out->wants_help = true;
        return true;
    }
    const struct flag *flag = command_flag(out->command, name);
    if (flag == NULL) {
        return refuse_flag(out->command, name, err);
    }
    if (flag->kind == FLAG_SWITCH && value != NULL && strcmp(value, "true") != 0) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "--%s takes no value", flag->name);
    }
    if (flag->kind == FLAG_SWITCH) {
        value = "";
    } else if (value == NULL) {
        if (next == NULL) {
            return error_set(err, STATUS_INVALID_ARGUMENT, "--%s needs a value: --%s=%s",
                             flag->name, flag->name, flag->value);
        }
        value = next;
        *took_next = true;
    }
    if (!flag_check(flag, value, err)) {
        return false;
    }
    if (out->option_count == OPTIONS_MAX) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "too many flags");
    }
    out->options[out->option_count++] = (struct option){.flag = flag, .value = value};
    return true;
}

/* ---- commands ---- */

/* How many of WORDS the command's name takes; 0 if it is another. */
static int name_words(const struct command *command, int count, char *const *words)
{
    struct slice rest = slice_of(command->name);
    struct slice part;
    int used = 0;
    while (slice_cut(&rest, ' ', &part)) {
        if (used == count || !slice_is(part, words[used])) {
            return 0;
        }
        used++;
    }
    return used;
}

bool command_group(const char *word)
{
    size_t count = strlen(word);
    for (const struct command *command = commands; command->name != NULL; command++) {
        if (strncmp(command->name, word, count) == 0 && command->name[count] == ' ') {
            return true;
        }
    }
    return false;
}

static bool refuse_command(int count, char *const *words, struct error *err)
{
    char text[2 * NAME_MAX_BYTES + 2];
    const char *names[NAMES_MAX + 1];
    size_t named = 0;
    for (const struct command *command = commands; command->name != NULL; command++) {
        if (named < NAMES_MAX) {
            names[named++] = command->name;
        }
    }
    names[named] = NULL;
    bool two = count > 1 && words[1][0] != '-';
    if (command_group(words[0]) && !two) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "`homerun %s` needs a word more: see `homerun help %s`", words[0],
                         words[0]);
    }
    snprintf(text, sizeof(text), "%.40s%s%.40s", words[0], two ? " " : "", two ? words[1] : "");
    const char *near = nearest_name(slice_of(text), names);
    if (near == NULL) {
        snprintf(text, sizeof(text), "%.40s", words[0]);
        near = nearest_name(slice_of(text), names);
    }
    return error_set(err, STATUS_INVALID_ARGUMENT, "there is no command `homerun %s`%s%s%s", text,
                     near == NULL ? " (`homerun help` lists them)" : ": did you mean `homerun ",
                     near == NULL ? "" : near, near == NULL ? "" : "`?");
}

static bool find_command(struct invocation *out, int count, char *const *words, int *used,
                         struct error *err)
{
    *used = 0;
    for (const struct command *command = commands; command->name != NULL; command++) {
        int taken = name_words(command, count, words);
        if (taken > *used) {
            out->command = command;
            *used = taken;
        }
    }
    return *used > 0 || refuse_command(count, words, err);
}

static bool check_count(const struct invocation *out, struct error *err)
{
    const struct command *command = out->command;
    if (out->wants_help) {
        return true;
    }
    if (out->argument_count < command->arguments_min) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "`homerun %s` needs %s (`homerun %s --help` tells more)", command->name,
                         command->arguments, command->name);
    }
    if (out->argument_count > command->arguments_max) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "`homerun %s` cannot take \"%s\" (`homerun %s --help` tells more)",
                         command->name, out->arguments[command->arguments_max], command->name);
    }
    return true;
}

bool invocation_parse(struct invocation *out, int count, char *const *words, struct error *err)
{
    *out = (struct invocation){0};
    int at;
    if (!find_command(out, count, words, &at, err)) {
        return false;
    }
    for (; at < count; at++) {
        bool took_next = false;
        if (strcmp(words[at], "--") == 0 && out->command->takes_rest) {
            out->rest = (const char *const *)&words[at + 1];
            out->rest_count = (unsigned)(count - at - 1);
            break;
        }
        if (strncmp(words[at], "--", 2) == 0) {
            if (!parse_flag(out, words[at], at + 1 < count ? words[at + 1] : NULL, &took_next,
                            err)) {
                return false;
            }
            at += took_next;
        } else if (strcmp(words[at], "-h") == 0) {
            out->wants_help = true;
        } else if (strcmp(words[at], "-f") == 0 &&
                   command_flag(out->command, SLICE("follow")) != NULL) {
            static char follow[] = "--follow";
            if (!parse_flag(out, follow, NULL, &took_next, err)) {
                return false;
            }
        } else if (words[at][0] == '-' && words[at][1] != '\0') {
            return error_set(err, STATUS_INVALID_ARGUMENT,
                             "`homerun %s` has no flag %s (`homerun %s --help` lists them)",
                             out->command->name, words[at], out->command->name);
        } else if (out->argument_count < ARGUMENTS_MAX) {
            out->arguments[out->argument_count++] = words[at];
        } else {
            return error_set(err, STATUS_INVALID_ARGUMENT, "too many words");
        }
    }
    return check_count(out, err);
}

/* ---- what was given ---- */

bool option_add(struct invocation *invocation, const char *name, const char *value)
{
    const struct flag *flag = command_flag(invocation->command, slice_of(name));
    if (flag == NULL || invocation->option_count == OPTIONS_MAX) {
        return false;
    }
    invocation->options[invocation->option_count++] = (struct option){flag, value};
    return true;
}

bool option_given(const struct invocation *invocation, const char *name)
{
    return option_text(invocation, name, NULL) != NULL;
}

const char *option_text(const struct invocation *invocation, const char *name,
                        const char *otherwise)
{
    for (unsigned i = invocation->option_count; i-- > 0;) {
        if (strcmp(invocation->options[i].flag->name, name) == 0) {
            return invocation->options[i].value;
        }
    }
    return otherwise;
}

uint64_t option_number(const struct invocation *invocation, const char *name, uint64_t otherwise)
{
    uint64_t number = otherwise;
    slice_to_u64(slice_of(option_text(invocation, name, "")), &number);
    return number;
}

bool option_next(const struct invocation *invocation, const char *name, struct option_walk *walk,
                 struct slice *value)
{
    while (!slice_cut(&walk->rest, walk->separator, value)) {
        while (walk->at < invocation->option_count &&
               strcmp(invocation->options[walk->at].flag->name, name) != 0) {
            walk->at++;
        }
        if (walk->at == invocation->option_count) {
            return false;
        }
        walk->rest = slice_of(invocation->options[walk->at++].value);
        walk->separator = ',';
        if (walk->rest.len > 3 && walk->rest.data[0] == '^' && walk->rest.data[2] == '^') {
            walk->separator = walk->rest.data[1];
            walk->rest = slice_from(walk->rest, 3);
        }
    }
    return true;
}
