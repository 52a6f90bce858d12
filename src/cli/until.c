/*
 * --public-until TIME --reason TEXT: on the switch two annotations, on a grant of allUsers a
 * condition. Either is over at the time by itself.
 */
#include "cli/until.h"

#include "base/clock.h"

static const char until_note[] = "homerun.dev/public-until";
static const char reason_note[] = "homerun.dev/public-reason";

/* "90m", "12h", "7d": in seconds; 0 if TEXT is none. */
static int64_t span_of(const char *text)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    size_t length = strlen(text);
    uint64_t number;
    for (size_t i = 0; length > 1 && i < sizeof(units) / sizeof(units[0]); i++) {
        if (text[length - 1] == units[i].unit &&
            slice_to_u64((struct slice){text, length - 1}, &number) && number > 0 &&
            number < 1000000) {
            return (int64_t)number * units[i].seconds;
        }
    }
    return 0;
}

bool until_given(struct cli *cli, struct until *out, struct error *err)
{
    const char *text = option_text(&cli->in, "public-until", NULL);
    const char *reason = option_text(&cli->in, "reason", NULL);
    int64_t until_us;
    *out = (struct until){.reason = reason};
    if (text == NULL) {
        return reason == NULL ||
               error_set(err, STATUS_INVALID_ARGUMENT, "--reason says why --public-until is given");
    }
    if (reason == NULL || reason[0] == '\0') {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "--public-until needs --reason=TEXT: it is shown with what is public");
    }
    int64_t seconds = span_of(text);
    if (seconds > 0) {
        until_us = clock_wall_us() + seconds * 1000000;
    } else if (!time_read(slice_of(text), &until_us)) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "--public-until %s: it must be a time such as 2030-01-31T12:00:00Z, or a "
                         "span such as 90m, 12h or 7d",
                         text);
    }
    if (until_us <= clock_wall_us()) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "--public-until %s is over already", text);
    }
    struct slice whole = time_text(&cli->arena, until_us / 1000000 * 1000000);
    out->time =
        arena_printf(&cli->arena, "%.*sZ", (int)(sizeof("2030-01-31T12:00:00") - 1), whole.data);
    return true;
}

/* The switch: what it is given replaces what stood beside it. */
bool until_edit(struct cli *cli, json_t *doc, struct error *err)
{
    struct until until;
    if (!until_given(cli, &until, err)) {
        return false;
    }
    bool off = option_given(&cli->in, "no-invoker-iam-check");
    bool grants = option_given(&cli->in, "allow-unauthenticated");
    json_t *notes = json_object_get(doc, "annotations");
    if (off || option_given(&cli->in, "invoker-iam-check")) {
        json_object_del(notes, until_note);
        json_object_del(notes, reason_note);
    }
    if (until.time == NULL || (grants && !off)) {
        return true;
    }
    if (!off && !json_flag(doc, "invokerIamDisabled", false)) {
        return error_set(
            err, STATUS_INVALID_ARGUMENT,
            "--public-until is for a way to open the service: --no-invoker-iam-check or "
            "--allow-unauthenticated");
    }
    if (!json_is_object(notes)) {
        notes = json_object();
        json_object_set_new(doc, "annotations", notes);
    }
    json_object_set_new(notes, until_note, json_string(until.time));
    json_object_set_new(notes, reason_note, json_string(until.reason));
    return true;
}

json_t *until_condition(struct cli *cli, const struct until *until)
{
    return json_pack("{s:s, s:s, s:s}", "title",
                     arena_printf(&cli->arena, "public until %s", until->time), "description",
                     until->reason, "expression",
                     arena_printf(&cli->arena, "request.time < timestamp(\"%s\")", until->time));
}

const char *until_of_service(const json_t *service)
{
    return json_string_value(json_object_get(json_object_get(service, "annotations"), until_note));
}
