/*
 * `logs SERVICE`: requests and output, oldest first, as `gcloud run services logs read`; with -f,
 * new ones as they come. Following asks again and again: what was shown is known by its id and
 * time, and a request is logged under the time at which it began, so the last minutes are asked for
 * anew.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/actions.h"
#include "cli/client.h"
#include "cli/terminal.h"

enum {
    LIMIT_DEFAULT = 100,
    LIMIT_MAX = 1000,
    FOLLOW_PAGE = 200,
    FOLLOW_STEP_MS = 500,
    FOLLOW_BACK_S = 300,
    SILENCE_S = 120, /* no answer for so long: the instance that was followed is gone for good */
    SEEN_MAX = 20000,
    TOKEN_BYTES_MAX = 8192,
};

static void print_entry(struct cli *cli, const json_t *entry)
{
    struct paint paint = paint_of(cli);
    const char *time = json_text_or(entry, "timestamp", "");
    const char *text = json_text(entry, "textPayload");
    const json_t *request = json_object_get(entry, "httpRequest");
    if (request != NULL) {
        long long status = json_number(request, "status", 0);
        text =
            arena_printf(&cli->arena, "%s %s%lld%s %s", json_text_or(request, "requestMethod", ""),
                         status >= 400 ? paint.red : paint.green, status, paint.off,
                         json_text_or(request, "requestUrl", ""));
    } else if (text == NULL) {
        struct slice whole = json_write(&cli->arena, json_object_get(entry, "jsonPayload"));
        text = arena_string(&cli->arena, whole);
    }
    printf("%s%s%s %s\n", paint.dim, time, paint.off, text);
}

/* The entries of the service NAME, newest first, none older than SINCE ("": any); NULL and *err. */
static json_t *entries_ask(struct cli *cli, const char *name, const char *since, uint64_t limit,
                           struct error *err)
{
    const char *bound =
        since[0] == '\0' ? "" : arena_printf(&cli->arena, " \n AND timestamp >= \"%s\"", since);
    const char *filter = arena_printf(
        &cli->arena,
        "resource.type = cloud_run_revision \n AND resource.labels.service_name = \"%s\" \n "
        "AND resource.labels.location = %s \n AND severity >= DEFAULT%s",
        name, session_region(cli), bound);
    auto_json *answer = NULL;
    auto_json *body = json_pack("{s:s, s:s, s:I, s:[s]}", "filter", filter, "orderBy",
                                "timestamp desc", "pageSize", (json_int_t)limit, "resourceNames",
                                arena_printf(&cli->arena, "projects/%s", session_project(cli)));
    if (!session_call(cli, "POST", "/v2/entries:list", body, &answer, err)) {
        return NULL;
    }
    json_t *entries = json_object_get(answer, "entries");
    return entries == NULL ? json_array() : json_incref(entries);
}

/* Whether there is such a service; only then is an empty log no mistake of the caller's. */
static bool service_check(struct cli *cli, const char *name, struct error *err)
{
    auto_json *service = NULL;
    struct error why = {0};
    if (session_call(cli, "GET", service_path(cli, name), NULL, &service, &why)) {
        return true;
    }
    return why.status == STATUS_NOT_FOUND
               ? error_set(err, STATUS_NOT_FOUND,
                           "there is no service %s in %s, and the log has nothing of one "
                           "(`homerun services list` shows the services there are)",
                           name, session_region(cli))
               : error_set(err, why.status, "%s", why.text);
}

/* ---- following ---- */

struct follow {
    struct cli *cli;
    const char *name;
    json_t *seen; /* keys of what was printed */
    char since[48];
    int64_t answered_us; /* when the API last did */
    bool told;           /* that it does not */
};

static void show_new(struct follow *follow, const json_t *entries)
{
    struct cli *cli = follow->cli;
    if (json_object_size(follow->seen) > SEEN_MAX) {
        json_object_clear(follow->seen); /* what is in ENTRIES comes in again below */
    }
    for (size_t i = json_array_size(entries); i-- > 0;) {
        const json_t *entry = json_array_get(entries, i);
        const char *key = arena_printf(&cli->arena, "%s %s", json_text_or(entry, "insertId", ""),
                                       json_text_or(entry, "timestamp", ""));
        if (json_object_get(follow->seen, key) == NULL) {
            json_object_set_new(follow->seen, key, json_true());
            print_entry(cli, entry);
        }
    }
    fflush(stdout);
}

static size_t count_new(const struct follow *follow, const json_t *entries)
{
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *entry = json_array_get(entries, i);
        char key[256];
        snprintf(key, sizeof(key), "%s %s", json_text_or(entry, "insertId", ""),
                 json_text_or(entry, "timestamp", ""));
        count += json_object_get(follow->seen, key) == NULL;
    }
    return count;
}

static void set_since(struct follow *follow)
{
    int64_t us = clock_wall_us() - (int64_t)FOLLOW_BACK_S * 1000000;
    struct slice text = time_text(&follow->cli->arena, us);
    snprintf(follow->since, sizeof(follow->since), "%.*s", SLICE_ARG(text));
}

/* One question. False, and *err, when there is no hope. */
static bool follow_step(struct follow *follow, struct error *err)
{
    struct cli *cli = follow->cli;
    struct error why = {0};
    set_since(follow);
    auto_json *entries = entries_ask(cli, follow->name, follow->since, FOLLOW_PAGE, &why);
    if (entries != NULL && count_new(follow, entries) == FOLLOW_PAGE) {
        json_decref(entries); /* more may have come than a page holds */
        entries = entries_ask(cli, follow->name, follow->since, LIMIT_MAX, &why);
    }
    if (entries != NULL) {
        follow->answered_us = clock_mono_us();
        follow->told = false;
        show_new(follow, entries);
        return true;
    }
    if (why.status == STATUS_PERMISSION_DENIED || why.status == STATUS_INVALID_ARGUMENT) {
        return error_set(err, why.status, "%s", why.text);
    }
    if (clock_mono_us() - follow->answered_us > (int64_t)SILENCE_S * 1000000) {
        return error_set(err, why.status, "no answer for %d s: %s", SILENCE_S, why.text);
    }
    if (!follow->told) {
        follow->told = true;
        fprintf(stderr, "homerun: %s: trying again\n", why.text);
    }
    cli->token = NULL; /* it may have run out, or be of a Homerun before */
    session_forget(cli);
    return true;
}

static int follow_log(struct cli *cli, const char *name, const json_t *shown)
{
    auto_json *seen = json_object();
    struct follow follow = {.cli = cli, .name = name, .seen = seen, .answered_us = clock_mono_us()};
    struct error err = {0};
    show_new(&follow, shown);
    /* An arena of its own for each question, so that following needs no more memory in time. */
    struct arena kept = cli->arena;
    cli->arena = (struct arena){0};
    char token[TOKEN_BYTES_MAX];
    while (follow_step(&follow, &err) && !ferror(stdout)) {
        if (cli->token != NULL && cli->token != token) {
            bool fits = strlen(cli->token) < sizeof(token);
            cli->token = fits ? strcpy(token, cli->token) : NULL;
        }
        arena_done(&cli->arena);
        cli->arena = (struct arena){0};
        usleep(FOLLOW_STEP_MS * 1000);
    }
    arena_done(&cli->arena);
    cli->arena = kept;
    cli->token = NULL;
    return ferror(stdout) ? 1 : cli_fail(&err);
}

int action_services_logs(struct cli *cli)
{
    /* gcloud says `services logs read SERVICE`, and `tail`: both are understood. */
    const char *word = cli->in.argument_count > 1 ? cli->in.arguments[0] : "read";
    const char *name = cli->in.arguments[cli->in.argument_count - 1];
    bool follows = option_given(&cli->in, "follow") || strcmp(word, "tail") == 0;
    struct error err = {0};
    if (strcmp(word, "read") != 0 && strcmp(word, "tail") != 0) {
        return cli_refuse_with("one service at a time: `homerun logs %s`", word);
    }
    if (follows && option_given(&cli->in, "format")) {
        return cli_refuse_with("--follow prints lines as they come: it goes without --format");
    }
    if (!session_open(cli, &err)) {
        return cli_fail(&err);
    }
    uint64_t limit = option_number(&cli->in, "limit", LIMIT_DEFAULT);
    auto_json *entries = entries_ask(cli, name, "", limit > LIMIT_MAX ? LIMIT_MAX : limit, &err);
    if (entries == NULL || (json_array_size(entries) == 0 && !service_check(cli, name, &err))) {
        return cli_fail(&err);
    }
    if (follows) {
        return follow_log(cli, name, entries);
    }
    if (option_given(&cli->in, "format") && print_formatted(cli, entries)) {
        return 0;
    }
    for (size_t i = json_array_size(entries); i-- > 0;) {
        print_entry(cli, json_array_get(entries, i));
    }
    if (json_array_size(entries) == 0) {
        fprintf(stderr, "The log has nothing of %s yet.\n", name);
    }
    return 0;
}
