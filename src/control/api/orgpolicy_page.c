/* One paragraph for each constraint, from the table: it says nothing of this installation, so that
 * anybody may read it in a browser. */
#include "control/api/orgpolicy_page.h"

#include "base/buffer.h"
#include "control/call/call.h"
#include "policy/orgpolicy.h"

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<title>Organization policy</title></head>\n<body>\n<h1>Organization policy</h1>\n"
    "<p>A change was refused because a policy of the organization, of a folder or of the project "
    "forbids it. The error says which constraint it was and where the policy is set. "
    "<code>gcloud org-policies describe CONSTRAINT --project=PROJECT --effective</code> shows "
    "what holds for a project, <code>gcloud org-policies list --project=PROJECT "
    "--show-unset</code> all constraints there are.</p>\n";

static const char custom[] =
    "<h2 id=\"custom-constraints\">Custom constraints</h2>\n"
    "<p>Written by the organization: <code>gcloud org-policies list-custom-constraints "
    "--organization=ORGANIZATION</code> shows their conditions, over the service as "
    "<code>gcloud run services describe --format=export</code> prints it.</p>\n</body></html>\n";

static void add_escaped(struct buffer *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            buffer_add_text(out, "&lt;");
            break;
        case '&':
            buffer_add_text(out, "&amp;");
            break;
        default:
            buffer_add_byte(out, *text);
        }
    }
}

static void page_get(struct api_call *call)
{
    struct buffer out = BUFFER_INIT(262144);
    buffer_add_text(&out, head);
    for (size_t i = 0; i < orgpolicy_constraint_count(); i++) {
        const struct orgpolicy_constraint *one = orgpolicy_constraint_at(i);
        buffer_printf(&out, "<h2 id=\"%s\"><code>constraints/%s</code></h2>\n<p>", one->name,
                      one->name);
        add_escaped(&out, one->description);
        buffer_printf(&out, " Without a policy: %s.</p>\n<p>",
                      one->kind != ORGPOLICY_LIST ? "not enforced"
                      : one->denies_by_default    ? "nothing is allowed"
                                                  : "everything is allowed");
        add_escaped(&out, one->advice);
        buffer_add_text(&out, "</p>\n");
    }
    buffer_add_text(&out, custom);
    struct slice page = arena_slice(&call->arena, buffer_slice(&out));
    buffer_done(&out);
    api_reply_text(call, 200, "text/html; charset=utf-8", page);
}

const struct api_route orgpolicy_page_routes[] = {
    {"GET", "/docs/organization-policy", NULL, NULL, API_ANONYMOUS, page_get,
     "homerun.v1.OrganizationPolicyPage"},
};
const size_t orgpolicy_page_route_count =
    sizeof(orgpolicy_page_routes) / sizeof(orgpolicy_page_routes[0]);
