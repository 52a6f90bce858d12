/* A token of an agent: whose it is, for whom, and where it counts. What it says of itself is told
 * as that, unless the session that it names stands. */
#include "control/access/explain.h"

#include "control/identity/agent_clients.h"
#include "control/identity/sessions.h"

/* The session that the token names: its document, owned by the caller; NULL if it has ended. */
static json_t *session_of(const struct explanation *explanation, const struct token *token)
{
    struct session_key key;
    struct session session = {0};
    if (!session_key_of_sid(token->sid, &key) ||
        !session_find_by_key(explanation->control, explanation->arena, &key, NULL, &session,
                             NULL)) {
        return NULL;
    }
    json_t *body = session.agent.len > 0 ? json_incref(session.body) : NULL;
    session_done(&session);
    return body;
}

/* "“Claude Code” (client ID)". */
static const char *client_text(const struct explanation *explanation, const struct token *token)
{
    struct arena *arena = explanation->arena;
    auto_agent_client client = {0};
    struct slice id = slice_upto(token->client_id, 64);
    bool known = agent_client_find(explanation->control, token->client_id, &client);
    return known && client.name.len > 0
               ? arena_printf(arena, "“%.*s” (client %.*s)", SLICE_ARG(client.name), SLICE_ARG(id))
               : arena_printf(arena, "client %.*s", SLICE_ARG(id));
}

const char *explain_agent(const struct explanation *explanation)
{
    struct arena *arena = explanation->arena;
    const struct token *token = &explanation->look.token;
    const struct facts_at_door *door = explanation->facts.door;
    if (!explanation->look.readable || !lookup_is_for_agent(token)) {
        return NULL;
    }
    const char *client = client_text(explanation, token);
    struct slice resource =
        token->audience_count > 0 ? slice_upto(token->audiences[0], 200) : SLICE("nothing");
    if (door == NULL) {
        return arena_printf(arena,
                            "it is a token of an agent, %s, made for %.*s: those count at services "
                            "with a door (IAP) alone",
                            client, SLICE_ARG(resource));
    }
    bool past = explanation->question->denial != NULL;
    if (past ? explanation->decided.fault == FACTS_TOKEN : door->caller.fault == FACTS_TOKEN) {
        return arena_printf(
            arena, "a token of an agent, %s, that cannot be believed: %s", client,
            token_fault_name(past ? explanation->decided.token_fault
                                  : (enum token_fault)explanation->facts.token_fault));
    }
    if (door->caller.fault == FACTS_AUDIENCE) {
        return arena_printf(arena,
                            "a token of an agent, %s, made for %.*s: it counts at that host alone",
                            client, SLICE_ARG(resource));
    }
    auto_json *session = session_of(explanation, token);
    if (session == NULL) {
        return arena_printf(arena, "a token of an agent, %s: %s", client,
                            facts_fault_text(FACTS_AGENT_ENDED));
    }
    return arena_printf(arena, "agent of %s by %s, for %.*s%s%s",
                        json_text_or(session, "shown", "somebody"), client, SLICE_ARG(resource),
                        door->caller.fault == FACTS_NO_FAULT ? "" : ": ",
                        facts_fault_text(door->caller.fault));
}
