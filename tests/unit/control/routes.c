/*
 * What holds for every row of the route table, whoever adds it: it has a name, nobody passes it
 * unasked, it is asked for where it says, and no other row stands in its way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "control/call/call.h"
#include "control/front/grpc.h"
#include "control/front/router.h"
#include "control/front/routes.h"
#include "grpc/rest.h"

/* Rows that no rule judges, each for one of these reasons. Their number only falls: what a new row
 * needs is a permission, and a resolver where the path is not the resource's name. */
enum { SELF_CHECKED_MOST = 81 };
static const char *const reasons[] = {
    API_WHY_TEST, API_WHY_LIST,  API_WHY_SELF, API_WHY_ALL,    API_WHY_ASKED,
    API_WHY_TWO,  API_WHY_CHAIN, API_WHY_NAME, API_WHY_BEFORE,
};

/* What anybody may ask without a token: how to get one, and who signs them. */
static const char *const anonymous[] = {
    "iap.PublicKeySet",
    "iap.PublicKeys",
    "grpc.health.v1.Health.Check",
    "grpc.health.v1.Health.Watch",
    "grpc.reflection.v1.ServerReflection.ServerReflectionInfo",
    "grpc.reflection.v1alpha.ServerReflection.ServerReflectionInfo",
    "homerun.v1.Agents.AnswerForPerson",
    "homerun.v1.Agents.AnswerGcloudForPerson",
    "homerun.v1.Agents.Authorize",
    "homerun.v1.Agents.AuthorizeGcloud",
    "homerun.v1.Agents.EndAgent",
    "homerun.v1.Agents.Keys",
    "homerun.v1.Agents.Metadata",
    "homerun.v1.Agents.Preflight",
    "homerun.v1.Agents.Register",
    "homerun.v1.Agents.Revoke",
    "homerun.v1.Agents.Token",
    "homerun.v1.Console.Page",
    "homerun.v1.Console.Root",
    "homerun.v1.Console.SignIn",
    "homerun.v1.Door.BackChannelSignOut",
    "homerun.v1.Door.BeginLogin",
    "homerun.v1.Door.BeginLoginAnew",
    "homerun.v1.Door.Callback",
    "homerun.v1.Door.ClearCookie",
    "homerun.v1.Door.Done",
    "homerun.v1.Passkeys.SignInPage",
    "homerun.v1.Passkeys.SignIn",
    "homerun.v1.Passkeys.AddPage",
    "homerun.v1.Passkeys.Add",
    "homerun.v1.Passkeys.Remove",
    "homerun.v1.Door.Home",
    "homerun.v1.Door.Link",
    "homerun.v1.Door.Provider",
    "homerun.v1.Door.SignInByLink",
    "homerun.v1.Door.SignOut",
    "homerun.v1.Door.SignOutPage",
    "homerun.v1.Door.Start",
    "homerun.v1.Door.Style",
    "homerun.v1.OrganizationPolicyPage",
    "oauth2.Token",
    "oauth2.TokenInfo",
    "openid.Configuration",
    "openid.Keys",
    "sts.v1.Introspect",
    "sts.v1.Token",
};
enum { ANONYMOUS_COUNT = sizeof(anonymous) / sizeof(anonymous[0]) };

static bool is_in(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* Row number AT of all tables; NULL behind the last. */
static const struct api_route *row_at(size_t at)
{
    for (size_t t = 0; t < api_table_count; t++) {
        if (at < *api_tables[t].count) {
            return &api_tables[t].rows[at];
        }
        at -= *api_tables[t].count;
    }
    return NULL;
}

/* A place where ROW can be asked for. */
static enum api_door door_of(const struct api_route *row)
{
    return (row->flags & API_ON_AUTH) != 0      ? API_AT_AUTH
           : (row->flags & API_ON_SERVICE) != 0 ? API_AT_SERVICE
           : (row->flags & API_ON_ERRAND) != 0  ? API_AT_ERRAND
                                                : API_AT_API;
}

static void every_row_has_a_verb_a_path_and_a_name(void **state)
{
    (void)state;
    static const char *const verbs[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    const struct api_route *row;
    for (size_t i = 0; (row = row_at(i)) != NULL; i++) {
        assert_non_null(row->path);
        assert_int_equal(row->path[0], '/');
        assert_true(is_in(row->verb, verbs, 6));
        if (row->method == NULL || strchr(row->method, '.') == NULL) {
            fail_msg("%s %s has no name of a method", row->verb, row->path);
        }
    }
    assert_true(row_at(100) != NULL);
}

static void nobody_passes_a_row_unasked(void **state)
{
    (void)state;
    const struct api_route *row;
    for (size_t i = 0; (row = row_at(i)) != NULL; i++) {
        bool asks =
            row->handle == NULL || (row->permission != NULL && (row->on != NULL || row->resource));
        if (!asks && (row->flags & (API_ANONYMOUS | API_SELF_CHECKED)) == 0) {
            fail_msg("%s %s asks for no permission", row->verb, row->path);
        }
        if ((row->flags & API_ANONYMOUS) != 0 && row->permission != NULL) {
            fail_msg("%s %s names a permission and never asks for it", row->verb, row->path);
        }
    }
}

static void who_asks_by_itself_says_why(void **state)
{
    (void)state;
    const struct api_route *row;
    size_t count = 0;
    for (size_t i = 0; (row = row_at(i)) != NULL; i++) {
        bool itself = (row->flags & API_SELF_CHECKED) != 0;
        count += itself;
        if (itself != (row->why != NULL) ||
            (itself && !is_in(row->why, reasons, sizeof(reasons) / sizeof(reasons[0])))) {
            fail_msg("%s (%s %s) has no reason to ask by itself, or a reason and does not",
                     row->method, row->verb, row->path);
        }
        if (itself && (row->handle == NULL || row->resource != NULL)) {
            fail_msg("%s (%s %s) is judged by a rule", row->method, row->verb, row->path);
        }
        if ((row->flags & API_ANONYMOUS) != 0 && !is_in(row->method, anonymous, ANONYMOUS_COUNT)) {
            fail_msg("%s (%s %s) takes anybody, and is not in the list of those that may",
                     row->method, row->verb, row->path);
        }
    }
    if (count != SELF_CHECKED_MOST) {
        fail_msg("%zu rows ask by themselves, not %d", count, SELF_CHECKED_MOST);
    }
}

/* TEMPLATE with every parameter replaced by "x", so that equal shapes are equal texts. */
static const char *shape(struct arena *arena, const char *template)
{
    struct buffer out = BUFFER_INIT(4096);
    struct slice left = slice_of(template);
    ptrdiff_t open;
    while ((open = slice_find(left, '{')) >= 0) {
        ptrdiff_t close = slice_find(left, '}');
        bool rest = slice_ends(slice_upto(left, (size_t)close), SLICE("=**"));
        buffer_add(&out, slice_upto(left, (size_t)open));
        buffer_add_text(&out, rest ? "x/x" : "x");
        left = slice_from(left, (size_t)close + 1);
    }
    buffer_add(&out, left);
    const char *text = arena_string(arena, buffer_slice(&out));
    buffer_done(&out);
    return text;
}

static void no_two_rows_are_the_same_request(void **state)
{
    (void)state;
    const struct api_route *row, *other;
    auto_arena arena = {0};
    for (size_t i = 0; (row = row_at(i)) != NULL; i++) {
        const char *mine = shape(&arena, row->path);
        for (size_t j = 0; j < i && (other = row_at(j)) != NULL; j++) {
            if (strcmp(row->verb, other->verb) == 0 && door_of(row) == door_of(other) &&
                strcmp(mine, shape(&arena, other->path)) == 0) {
                fail_msg("%s %s stands in the table twice (%s, %s)", row->verb, row->path,
                         other->method, row->method);
            }
        }
    }
}

static void every_row_is_found_by_its_own_path(void **state)
{
    (void)state;
    const struct api_route *row;
    char allowed[64];
    for (size_t i = 0; (row = row_at(i)) != NULL; i++) {
        struct api_call call = {.door = door_of(row)};
        struct slice path = slice_of(shape(&call.arena, row->path));
        enum api_match match = api_find_route(&call, slice_of(row->verb), path, allowed);
        if (match != API_MATCH_FOUND || call.route != row) {
            fail_msg("%s %s is never reached: %s answers", row->verb, row->path,
                     match == API_MATCH_FOUND ? call.route->path : "nobody");
        }
        arena_done(&call.arena);
    }
}

static void a_slash_may_stand_behind_a_collection_alone(void **state)
{
    (void)state;
    const struct api_route *row;
    char allowed[64];
    for (size_t i = 0; (row = row_at(i)) != NULL; i++) {
        struct api_call call = {.door = door_of(row)};
        const char *path = shape(&call.arena, row->path);
        bool collection = strpbrk(strrchr(row->path, '/'), "{:") == NULL;
        bool rest = slice_ends(slice_of(row->path), SLICE("=**}"));
        struct slice once = slice_of(arena_printf(&call.arena, "%s/", path));
        struct slice twice = slice_of(arena_printf(&call.arena, "%s//", path));
        bool found = api_find_route(&call, slice_of(row->verb), once, allowed) == API_MATCH_FOUND;
        if (found != collection && !rest) {
            fail_msg("%s %s/ is %sfound", row->verb, row->path, found ? "" : "not ");
        }
        if (collection && call.route != row) {
            fail_msg("%s %s/ is another's: %s", row->verb, row->path, call.route->path);
        }
        call.route = NULL;
        api_find_route(&call, slice_of(row->verb), twice, allowed);
        assert_true(rest || call.route != row);
        arena_done(&call.arena);
    }
}

/* What strangers reach by the services' listener, and what they do not. */
static void rows_of_the_door_stand_nowhere_else(void **state)
{
    (void)state;
    const struct api_route *row;
    char allowed[64];
    for (size_t i = 0; (row = row_at(i)) != NULL; i++) {
        for (int door = API_AT_API; door <= API_AT_ERRAND; door++) {
            struct api_call call = {.door = (enum api_door)door};
            struct slice path = slice_of(shape(&call.arena, row->path));
            bool found =
                api_find_route(&call, slice_of(row->verb), path, allowed) == API_MATCH_FOUND &&
                call.route == row;
            bool of_door = (row->flags & API_ON_DOOR) != 0;
            bool allowed_here =
                of_door ? door != API_AT_API
                        : door == API_AT_API || door == API_AT_CONSOLE || door == API_AT_HOST;
            if (found && !allowed_here) {
                fail_msg("%s %s is found at door %d", row->verb, row->path, door);
            }
            arena_done(&call.arena);
        }
    }
}

static void a_permission_is_asked_for_on_what_the_path_names(void **state)
{
    (void)state;
    const struct api_route *row;
    auto_arena arena = {0};
    for (size_t i = 0; (row = row_at(i)) != NULL; i++) {
        struct slice left = slice_of(row->on == NULL || row->resource != NULL ? "" : row->on);
        ptrdiff_t open;
        while ((open = slice_find(left, '{')) >= 0) {
            size_t close = (size_t)slice_find(left, '}');
            const char *name = arena_string(
                &arena, slice_upto(slice_from(left, (size_t)open + 1), close - (size_t)open - 1));
            bool named = strcmp(name, "region") == 0 ||
                         strstr(row->path, arena_printf(&arena, "{%s}", name)) != NULL ||
                         strstr(row->path, arena_printf(&arena, "{%s=**}", name)) != NULL;
            if (!named) {
                fail_msg("%s %s asks on %s, and its path names no %s", row->verb, row->path,
                         row->on, name);
            }
            left = slice_from(left, close + 1);
        }
    }
}

/* A name that fits the pattern of RULE's variable, put where the variable says. */
static void fill(json_t *message, struct arena *arena, const struct proto_rule *rule)
{
    struct slice path = slice_of(rule->path);
    ptrdiff_t open = slice_find(path, '{');
    if (open < 0) {
        return;
    }
    struct slice variable =
        slice_from(slice_upto(path, (size_t)slice_find(path, '}')), (size_t)open + 1);
    ptrdiff_t equals = slice_find(variable, '=');
    struct buffer value = BUFFER_INIT(4096), name = BUFFER_INIT(256);
    struct slice pattern = equals < 0 ? SLICE("*") : slice_from(variable, (size_t)equals + 1);
    for (size_t i = 0; i < pattern.len; i++) {
        buffer_add_byte(&value, pattern.data[i] == '*' ? 'x' : pattern.data[i]);
    }
    struct slice field = equals < 0 ? variable : slice_upto(variable, (size_t)equals);
    for (size_t i = 0; i < field.len; i++) {
        bool joint = field.data[i] == '_';
        i += joint;
        buffer_add_byte(&name, joint ? (char)(field.data[i] - 32) : field.data[i]);
    }
    json_put(message, arena_string(arena, buffer_slice(&name)), json_string(buffer_text(&value)));
    buffer_done(&value);
    buffer_done(&name);
}

/* What comes by gRPC is the row of that very method. */
static void a_method_of_grpc_is_the_row_of_its_name(void **state)
{
    (void)state;
    /* Their paths are those of IAMCredentials, whose methods of that name took their place. */
    static const char *const elsewhere[] = {"google.iam.admin.v1.IAM/SignBlob",
                                            "google.iam.admin.v1.IAM/SignJwt"};
    size_t reached = 0;
    char allowed[64];
    for (size_t i = 0; i < proto_method_count; i++) {
        const struct proto_method *method = &proto_methods[i];
        for (size_t k = 0; k < method->rule_count; k++) {
            struct api_call call = {0};
            struct error err = {0};
            struct rest_request request = {0};
            auto_json *message = json_object();
            fill(message, &call.arena, &method->rules[k]);
            if (!grpc_to_rest(&call.arena, method, message, &request, &err)) {
                fail_msg("%s: %s", method->name, err.text);
            }
            if (api_find_route(&call, request.verb, request.path, allowed) == API_MATCH_FOUND &&
                call.route->handle != NULL) {
                bool named = grpc_is_row(method, call.route);
                bool other = is_in(method->name, elsewhere, 2);
                if (named == other) {
                    fail_msg("%s would be answered by the row of %s", method->name,
                             call.route->method);
                }
                reached += named;
            }
            json_decref(request.body);
            arena_done(&call.arena);
        }
    }
    assert_true(reached > 80);
}

static void both_listings_hold_every_row(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err = {0};
    auto_json *rows = json_read(routes_json(&arena), &err);
    struct slice document = routes_markdown(&arena);
    const struct api_route *row;
    size_t count = 0;
    for (; (row = row_at(count)) != NULL; count++) {
        const json_t *told = json_array_get(rows, count);
        assert_string_equal(json_text_or(told, "path", ""), row->path);
        assert_string_equal(json_text_or(told, "state", ""), row->handle == NULL ? "501" : "done");
        const char *line = arena_printf(&arena, "`%s %s`", row->verb, row->path);
        assert_true(slice_find_slice(document, slice_of(line)) > 0);
    }
    assert_int_equal(json_array_size(rows), count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_a_verb_a_path_and_a_name),
        cmocka_unit_test(nobody_passes_a_row_unasked),
        cmocka_unit_test(who_asks_by_itself_says_why),
        cmocka_unit_test(no_two_rows_are_the_same_request),
        cmocka_unit_test(every_row_is_found_by_its_own_path),
        cmocka_unit_test(a_slash_may_stand_behind_a_collection_alone),
        cmocka_unit_test(rows_of_the_door_stand_nowhere_else),
        cmocka_unit_test(a_permission_is_asked_for_on_what_the_path_names),
        cmocka_unit_test(a_method_of_grpc_is_the_row_of_its_name),
        cmocka_unit_test(both_listings_hold_every_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
