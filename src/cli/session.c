#include "cli/session.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/http_call.h"
#include "cli/progress.h"
#include "trust/secret.h"

enum { KEY_FILE_BYTES_MAX = 65536, READY_BYTES_MAX = 65536, TOKEN_LIFE_S = 3600 };

int cli_fail(const struct error *err)
{
    fprintf(stderr, "homerun: %s%s%s\n", err->field, err->field[0] == '\0' ? "" : ": ", err->text);
    return 1;
}

__attribute__((format(printf, 1, 0))) static void print_fault(const char *format, va_list args)
{
    fputs("homerun: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

int cli_fail_with(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_fault(format, args);
    va_end(args);
    return 1;
}

int cli_refuse_with(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_fault(format, args);
    va_end(args);
    return 2;
}

/* ---- the instance ---- */

const char *session_data(struct cli *cli)
{
    bool is_up = strcmp(cli->in.command->name, "up") == 0;
    const char *known = is_up ? NULL : getenv("HOMERUN_DATA");
    const char *data = option_text(&cli->in, "data", known == NULL ? "data" : known);
    char path[PATH_MAX];
    if (realpath(data, path) != NULL) {
        return arena_string(&cli->arena, slice_of(path));
    }
    if (data[0] == '/' || getcwd(path, sizeof(path)) == NULL) {
        return arena_string(&cli->arena, slice_of(data));
    }
    while (strncmp(data, "./", 2) == 0) {
        data += 2;
    }
    return arena_printf(&cli->arena, "%s/%s", path, data);
}

bool session_open(struct cli *cli, struct error *err)
{
    if (cli->ready != NULL) {
        return true;
    }
    const char *data = session_data(cli);
    const char *path = arena_printf(&cli->arena, "%s/ready.json", data);
    struct slice text;
    struct error why = {0};
    if (!file_read(&cli->arena, path, READY_BYTES_MAX, &text, &why)) {
        if (why.status == STATUS_NOT_FOUND) {
            return error_set(err, STATUS_FAILED_PRECONDITION,
                             "no homerun serves the data folder %s: start one with `homerun up "
                             "--data %s`, or name another folder with --data",
                             data, data);
        }
        return error_set(err, why.status, "%s", why.text);
    }
    cli->ready = json_read(text, err);
    return cli->ready != NULL || error_wrap(err, "%s", path);
}

void session_forget(struct cli *cli)
{
    json_decref(cli->ready);
    cli->ready = NULL;
}

const char *session_text(const struct cli *cli, const char *path)
{
    return json_text_or(cli->ready, path, "");
}

static const char *chosen(const struct cli *cli, const char *flag, const char *const *names,
                          const char *otherwise)
{
    const char *value = option_text(&cli->in, flag, NULL);
    for (; value == NULL && *names != NULL; names++) {
        value = getenv(*names);
        value = value != NULL && value[0] == '\0' ? NULL : value;
    }
    return value == NULL ? otherwise : value;
}

const char *session_project(const struct cli *cli)
{
    static const char *const names[] = {"HOMERUN_PROJECT", NULL};
    return chosen(cli, "project", names, session_text(cli, "project"));
}

const char *session_region(const struct cli *cli)
{
    static const char *const names[] = {"HOMERUN_REGION", NULL};
    return chosen(cli, "region", names, session_text(cli, "region"));
}

/* ---- tokens ---- */

/* header.payload.signature of a JWT by the owner's key, for the token endpoint. */
static bool make_assertion(struct cli *cli, const json_t *key, const char *audience,
                           struct slice *out, struct error *err)
{
    const char *email = json_text_or(key, "client_email", "");
    /* Where it is sent, not the file's token_uri: that may be of a run on another port. */
    const char *uri = arena_printf(&cli->arena, "%s/token", session_text(cli, "api"));
    int64_t now_s = clock_wall_us() / 1000000;
    auto_json *claims =
        json_pack("{s:s, s:s, s:s, s:I, s:I}", "iss", email, "sub", email, "aud", uri, "iat",
                  (json_int_t)now_s, "exp", (json_int_t)(now_s + TOKEN_LIFE_S));
    if (claims == NULL) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "the key file is not in UTF-8");
    }
    json_put(claims, audience == NULL ? "scope" : "target_audience",
             json_string(audience == NULL ? "https://www.googleapis.com/auth/cloud-platform"
                                          : audience));
    struct slice pem = slice_of(json_text_or(key, "private_key", ""));
    struct trust_secret *secret = trust_secret_from_pem(pem, err);
    if (secret == NULL) {
        return error_wrap(err, "%s", session_text(cli, "owner.keyFile"));
    }
    struct slice input = token_signing_input(&cli->arena, trust_secret_alg(secret),
                                             slice_of(json_text_or(key, "private_key_id", "")),
                                             json_write(&cli->arena, claims));
    struct slice signature;
    bool good = trust_sign(&cli->arena, secret, input, &signature, err);
    trust_secret_free(secret);
    if (good) {
        *out = token_assemble(&cli->arena, input, signature);
    }
    return good;
}

/* ready.json outlives a homerun that was killed. */
static bool explain_silence(struct cli *cli, struct error *err)
{
    struct error why = *err;
    if (why.status != STATUS_UNAVAILABLE) {
        return error_wrap(err, "fetch a token");
    }
    return error_set(err, why.status, "%s: start it again with `homerun up --data %s`", why.text,
                     session_data(cli));
}

static bool read_key(struct cli *cli, json_t **key, struct error *err)
{
    const char *path = session_text(cli, "owner.keyFile");
    struct slice text;
    if (!file_read(&cli->arena, path, KEY_FILE_BYTES_MAX, &text, err)) {
        return error_wrap(err, "the owner's key file");
    }
    *key = json_read(text, err);
    return *key != NULL || error_wrap(err, "%s", path);
}

bool session_mint(struct cli *cli, const char *audience, struct slice *token, struct error *err)
{
    auto_json *key = NULL;
    struct slice assertion;
    if (!session_open(cli, err) || !read_key(cli, &key, err) ||
        !make_assertion(cli, key, audience, &assertion, err)) {
        return false;
    }
    const char *form =
        arena_printf(&cli->arena,
                     "grant_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Agrant-type%%3Ajwt-bearer"
                     "&assertion=%.*s",
                     SLICE_ARG(assertion));
    struct http_ask ask = {
        .url = session_text(cli, "api"),
        .verb = "POST",
        .path = "/token",
        .content_type = "application/x-www-form-urlencoded",
        .body = slice_of(form),
    };
    struct http_answer answer;
    if (!http_call(&cli->arena, &ask, &answer, err)) {
        return explain_silence(cli, err);
    }
    auto_json *body = json_read(answer.body, err);
    const char *text = json_text(body, audience == NULL ? "access_token" : "id_token");
    if (answer.status != 200 || text == NULL) {
        return error_set(err, STATUS_UNAUTHENTICATED, "%s: the owner's key gave no token: %s",
                         session_text(cli, "owner.keyFile"),
                         json_text_or(body, "error_description",
                                      json_text_or(json_object_get(body, "error"), "message",
                                                   "an answer without a reason")));
    }
    *token = arena_slice(&cli->arena, slice_of(text));
    return true;
}

const char *session_token(struct cli *cli, struct error *err)
{
    struct slice token;
    if (cli->token == NULL && session_mint(cli, NULL, &token, err)) {
        cli->token = arena_string(&cli->arena, token);
    }
    return cli->token;
}

/* ---- calls ---- */

static enum status status_of(const json_t *body, int http)
{
    const char *name = json_text_or(body, "error.status", "");
    for (int i = STATUS_CANCELLED; i <= STATUS_UNAUTHENTICATED; i++) {
        if (strcmp(name, status_name((enum status)i)) == 0) {
            return (enum status)i;
        }
    }
    return http == 404 ? STATUS_NOT_FOUND : http == 409 ? STATUS_ALREADY_EXISTS : STATUS_UNKNOWN;
}

/* The server's words: Google's error shape, or Knative's, or the status alone. */
static bool fail_as_told(const struct http_answer *answer, struct error *err)
{
    struct error ignored = {0};
    auto_json *body = json_read(answer->body, &ignored);
    const char *text = json_text(body, "error.message");
    text = text == NULL ? json_text(body, "message") : text;
    enum status status = status_of(body, answer->status);
    if (text != NULL) {
        return error_set(err, status, "%s", text);
    }
    return error_set(err, status, "the API answered with HTTP status %d", answer->status);
}

/* Like session_call(), with a body and an answer of any content type. */
static bool session_call_text(struct cli *cli, const char *verb, const char *path,
                              const char *content_type, struct slice body, struct slice *answer,
                              struct error *err)
{
    if (!session_open(cli, err) || session_token(cli, err) == NULL) {
        return false;
    }
    struct http_ask ask = {
        .url = session_text(cli, "api"),
        .verb = verb,
        .path = path,
        .content_type = content_type,
        .body = body,
        .token = cli->token,
        .timeout_ms = 300000,
    };
    struct http_answer got;
    progress_begin(cli, "Waiting for the API");
    bool answered = http_call(&cli->arena, &ask, &got, err);
    progress_end(cli);
    if (!answered) {
        return false;
    }
    if (got.status >= 400) {
        return fail_as_told(&got, err);
    }
    *answer = got.body;
    return true;
}

bool session_call(struct cli *cli, const char *verb, const char *path, const json_t *body,
                  json_t **answer, struct error *err)
{
    struct slice text = body == NULL ? SLICE_NONE : json_write(&cli->arena, body);
    struct slice got;
    *answer = NULL;
    if (!session_call_text(cli, verb, path, body == NULL ? NULL : "application/json", text, &got,
                           err)) {
        return false;
    }
    if (got.len == 0) {
        return true;
    }
    *answer = json_read(got, err);
    return *answer != NULL || error_wrap(err, "the API's answer");
}
