/*
 * What the answer has to be, from the tables of the world alone: slow, plain, and with nothing in
 * common with the code that is tested but the ladder and the words of docs/access.md.
 */
#include "agreement_world.h"

enum truth { NO, YES, ERROR };

static const char *nearest_tag(const struct chance_world *world)
{
    for (int i = 0; i < NODES; i++) {
        if (world->tags[i] != NULL) {
            return world->tags[i];
        }
    }
    return "";
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool ends(const char *text, const char *with)
{
    size_t length = strlen(text), wanted = strlen(with);
    return length >= wanted && strcmp(text + length - wanted, with) == 0;
}

/* Whether condition NUMBER of the table holds. */
static enum grant condition_holds(const struct chance_world *world,
                                  const struct chance_request *request, int number)
{
    static const bool of_path[CONDITIONS] = {
        [1] = true, [2] = true, [3] = true, [4] = true, [12] = true, [13] = true};
    const char *path = path_rows[request->path].normal;
    const char *tag = nearest_tag(world);
    bool early = request->now_s < NOW_S + 1800;
    if (of_path[number] && path == NULL) {
        return GRANT_PATH_UNCLEAR;
    }
    bool holds = false;
    switch (number) {
    case 0:
        holds = true;
        break;
    case 1:
        holds = begins(path, "/a");
        break;
    case 2:
        holds = strcmp(path, "/a/x") == 0;
        break;
    case 3:
        holds = !begins(path, "/secret/");
        break;
    case 4:
        holds = ends(path, ".png");
        break;
    case 5:
        holds = early;
        break;
    case 6:
        holds = !early;
        break;
    case 7:
        holds = strcmp(host_rows[request->host].host, HOST) == 0;
        break;
    case 8:
        holds = strcmp(tag, "prod") == 0;
        break;
    case 9:
        holds = strcmp(tag, "prod") != 0;
        break;
    case 10:
        holds = tag[0] != '\0';
        break;
    case 11:
        holds = strcmp(tag, "test") == 0;
        break;
    case 12:
        holds = begins(path, "/a") || early;
        break;
    case 13:
        holds = begins(path, "/a") && tag[0] != '\0';
        break;
    case 14:
        holds = true;
        break;
    case 15:
        holds = false;
        break;
    default:
        break;
    }
    return holds ? GRANT_YES : GRANT_NO;
}

static int member_number(const char *name)
{
    for (int i = 0; i < MEMBERS; i++) {
        if (strcmp(member_names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

/*
 * The first grant that lets one of NAMES in, in the order in which the rules look; else the first
 * that would with a clear path.
 */
static enum grant search(const struct chance_world *world, const struct chance_request *request,
                         bool at_door, const int *names, int count, int *decided)
{
    const struct grant_row *grants = at_door ? world->door_grants : world->grants;
    int grant_count = at_door ? world->door_grant_count : world->grant_count;
    int unclear = -1;
    for (int n = 0; n < count; n++) {
        for (int node = 0; node < (at_door ? DOOR_NODES : NODES); node++) {
            for (int conditional = 0; conditional < 2; conditional++) {
                for (int i = 0; i < grant_count; i++) {
                    const struct grant_row *grant = &grants[i];
                    if (grant->node != node || grant->member != names[n] ||
                        (grant->condition != 0) != (conditional != 0)) {
                        continue;
                    }
                    enum grant says = condition_holds(world, request, grant->condition);
                    if (says == GRANT_YES) {
                        *decided = i;
                        return GRANT_YES;
                    }
                    if (says == GRANT_PATH_UNCLEAR && unclear < 0) {
                        unclear = i;
                    }
                }
            }
        }
    }
    *decided = unclear;
    return unclear < 0 ? GRANT_NO : GRANT_PATH_UNCLEAR;
}

/* ---- who ---- */

struct who {
    int names[64];
    int count;
    const char *email; /* that may be used; NULL: none */
    bool grouped;      /* in the group "eng" of the pool: looked at behind all other names */
};

static void add(struct who *who, const char *name)
{
    int number = member_number(name);
    if (number >= 0) {
        who->names[who->count++] = number;
    }
}

static bool audience_is_ours(const struct chance_world *world, const struct token_row *row)
{
    switch (row->audience) {
    case AUDIENCE_URL:
    case AUDIENCE_PATH:
    case AUDIENCE_PORT_AND_PATH:
        return true;
    case AUDIENCE_CUSTOM:
        return world->custom_audience;
    case AUDIENCE_GCLOUD:
        return row->issuer == ISSUER_OURS;
    case AUDIENCE_QUERY:
    case AUDIENCE_CUSTOM_AND_PATH:
    case AUDIENCE_TAG:
    case AUDIENCE_OTHER:
    case AUDIENCE_ALL_PATHS:
    case AUDIENCE_ONE_PATH:
        return false;
    }
    return false;
}

static void add_stranger(const struct chance_world *world, const struct token_row *row,
                         struct who *out)
{
    static const struct {
        const char *email, *member;
        bool corp, robot;
    } known[] = {
        {"bob@gmail.com", "user:bob@gmail.com", false, false},
        {"Eve@Corp.example", "user:eve@corp.example", true, false},
        {"eve@corp.example", "user:eve@corp.example", true, false},
        {"alice@example.com", ALICE, false, false},
        {"other@demo.iam.gserviceaccount.com", "serviceAccount:other@demo.iam.gserviceaccount.com",
         false, true},
    };
    bool google = row->issuer == ISSUER_GOOGLE;
    if (!google) {
        add(out, member_names[13]);
        add(out, member_names[14]);
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (row->email == NULL || strcmp(row->email, known[i].email) != 0 || row->unverified) {
            continue;
        }
        bool authority = google && known[i].corp && world->google_has_corp;
        if (authority || (google && !known[i].robot)) {
            add(out, known[i].member);
            out->email = strchr(known[i].member, ':') + 1;
        }
        if (authority) {
            add(out, "domain:corp.example");
        }
    }
    if (row->hd != NULL && google && world->google_has_corp &&
        strcmp(row->hd, "corp.example") == 0) {
        add(out, "domain:corp.example");
    }
    if (google) {
        add(out, "allAuthenticatedUsers");
    }
}

/* False if the account is not there any more. */
static bool add_account(const struct chance_world *world, int account, struct who *out)
{
    if (account < 0 || world->account_states[account] != INDEX_ACCOUNT_ACTIVE) {
        return false;
    }
    const char *member = account_members[account];
    out->email = strchr(member, ':') + 1;
    add(out, member);
    if (begins(member, "user:")) {
        add(out, ends(member, "@example.com") ? "domain:example.com" : "domain:corp.example");
    }
    add(out, "allAuthenticatedUsers");
    return true;
}

static bool is_in_its_time(const struct chance_request *request, const struct token_row *row)
{
    int64_t iat = row->over ? NOW_S - 7200 : NOW_S;
    return request->now_s < iat + 3600 + 10 && request->now_s >= iat - 60;
}

/* D4: a JWT that the robot has signed itself. */
static bool believe_self_signed(const struct chance_world *world,
                                const struct chance_request *request, const struct token_row *row,
                                struct who *out)
{
    const char *host = host_rows[request->host].host;
    const char *path = path_rows[request->path].sent;
    bool here = host != NULL && strcmp(host, HOST) == 0;
    bool this_path = strncmp(path, "/a/x", 4) == 0 && (path[4] == '\0' || path[4] == '?');
    bool root = strcmp(path, "/") == 0;
    bool fits = row->audience == AUDIENCE_ALL_PATHS  ? here
                : row->audience == AUDIENCE_ONE_PATH ? here && this_path
                                                     : here && root;
    return is_in_its_time(request, row) && world->user_key && add_account(world, 1, out) && fits;
}

/* False if the token is 401. */
static bool believe(const struct chance_world *world, const struct chance_request *request,
                    bool at_door, const struct token_row *row, struct who *out)
{
    if (row->self_signed) {
        return at_door && believe_self_signed(world, request, row, out);
    }
    if (row->not_a_token || row->access || row->by_foreign_key || row->issuer == ISSUER_NOBODY ||
        !world->issuers[row->issuer] || !world->keys[row->issuer] ||
        !is_in_its_time(request, row)) {
        return false;
    }
    if (row->issuer == ISSUER_OURS) {
        if (!add_account(world, row->account, out) || (row->with_user_key && !world->user_key)) {
            return false;
        }
    } else {
        add_stranger(world, row, out);
    }
    bool by_client = at_door && world->client && row->audience == AUDIENCE_OTHER;
    return audience_is_ours(world, row) || (by_client && row->email != NULL);
}

static void add_groups(const struct chance_world *world, struct who *who)
{
    int own = who->count;
    for (int i = 0; i < own; i++) {
        for (int k = 0; k < GROUPS; k++) {
            if (world->in_group[who->names[i]][k]) {
                who->names[who->count++] = 10 + k;
            }
        }
    }
}

/* ---- the door ---- */

/* Whether TOKEN, as it was sent once, is believed; *names_somebody: whether it is the door's. */
static bool token_at_door(const struct chance_world *world, const struct chance_request *request,
                          int token, bool *names_somebody, struct who *out)
{
    *names_somebody = false;
    if (token < 0) {
        return false;
    }
    const struct token_row *row = &token_rows[token];
    *names_somebody = row->self_signed || (!row->not_a_token && row->issuer != ISSUER_NOBODY &&
                                           world->issuers[row->issuer]);
    return *names_somebody && believe(world, request, true, row, out);
}

static bool session_lives(const struct chance_world *world, const struct chance_request *request,
                          struct who *out)
{
    if (request->session < 0 || request->two_cookies || !world->sessions[request->session]) {
        return false;
    }
    const struct session_row *row = &session_rows[request->session];
    if (row->orphan || row->by_boot || strcmp(row->host, host_rows[request->host].host) != 0 ||
        request->now_s >= NOW_S + row->until_s) {
        return false;
    }
    if (row->account >= 0) {
        return add_account(world, row->account, out);
    }
    const struct token_row as_token = {.issuer = row->issuer, .email = row->email};
    add_stranger(world, &as_token, out);
    out->grouped = row->issuer == ISSUER_POOL && row->grouped;
    return world->issuers[row->issuer];
}

static bool is_barred(const struct chance_world *world, const struct who *who)
{
    return world->barred && (who->email == NULL || !ends(who->email, "@corp.example"));
}

static enum grant search_for(const struct chance_world *world, const struct chance_request *request,
                             struct who *who, int *decided)
{
    add_groups(world, who);
    if (who->grouped) {
        add(who, member_names[18]);
    }
    return search(world, request, true, who->names, who->count, decided);
}

/* Who comes, by token or by session. */
static void door_who(const struct chance_world *world, const struct chance_request *request,
                     struct door_facts *door, struct who *who)
{
    bool known;
    bool sent = request->authorization != -1 &&
                (request->authorization != -2 || request->authorization_twice);
    if (token_at_door(world, request, request->proxy, &known, who)) {
        door->token = CREDENTIAL_VALID;
        return;
    }
    *who = (struct who){.count = 0};
    if (sent && request->authorization_twice) {
        door->token = CREDENTIAL_BAD;
        return;
    }
    if (token_at_door(world, request, request->authorization, &known, who)) {
        door->token = CREDENTIAL_VALID;
        return;
    }
    *who = (struct who){.count = 0};
    if (known) {
        door->token = CREDENTIAL_BAD;
        return;
    }
    door->session = session_lives(world, request, who);
    if (!door->session) {
        *who = (struct who){.count = 0};
        door->token = sent && !door->two_cookies ? CREDENTIAL_BAD : CREDENTIAL_NONE;
    }
}

static void door_answer(const struct chance_world *world, const struct chance_request *request,
                        struct door_facts *door, int *by_all, int *by_caller)
{
    static const int everyone[] = {0};
    const struct browser_row *browser = &browser_rows[request->browser];
    bool get = strcmp(request->method, "GET") == 0;
    bool options = strcmp(request->method, "OPTIONS") == 0;
    struct who who = {.count = 0};
    *door = (struct door_facts){
        .on = true,
        .errand = path_rows[request->path].errand,
        .preflight = world->options && options && request->preflight && browser->origin != NULL,
        .may_be_person = get && !browser->not_a_person && !request->websocket &&
                         request->authorization == -1 && request->proxy == -1,
        .cross_site = request->websocket
                          ? browser->origin == NULL || strcmp(browser->origin, "own") != 0
                          : (get ? browser->cross_get : browser->cross_post),
        .two_cookies = request->two_cookies && request->session != -1,
    };
    if (door->errand == DOOR_METADATA && !get && !options) {
        door->errand = DOOR_NO_ERRAND;
    }
    bool open = door->preflight && door->errand == DOOR_NO_ERRAND;
    door->all_users = search(world, request, true, everyone, 1, by_all);
    if (open) {
        return;
    }
    if (door->errand != DOOR_IDENTITY && door->errand != DOOR_REFRESH &&
        door->all_users == GRANT_YES) {
        door->session = session_lives(world, request, &who);
    } else {
        door_who(world, request, door, &who);
    }
    if (door->token != CREDENTIAL_BAD) {
        door->principal = search_for(world, request, &who, by_caller);
        door->domain_barred = is_barred(world, &who);
    }
    if (door->session) {
        int64_t age = request->now_s - (NOW_S + session_rows[request->session].from_s);
        door->sign_in_due = world->max_age_s > 0 && (age < 0 || age >= world->max_age_s);
    }
}

/* ---- the answer ---- */

struct expected oracle_answer(const struct chance_world *world,
                              const struct chance_request *request)
{
    const struct host_row *host = &host_rows[request->host];
    bool found = host->host != NULL && world->served && (host->default_url || world->domain_mapped);
    bool connect = strcmp(request->method, "CONNECT") == 0;
    int by_all = -1, by_caller = -1, door_by_all = -1, door_by_caller = -1;
    static const int everyone[] = {0};
    struct decide_facts facts = {
        .host_known = found,
        .method_forbidden =
            strcmp(request->method, "TRACE") == 0 || (connect && !request->websocket),
        .default_url = host->default_url,
        .default_url_disabled = world->default_url_disabled,
        .ingress = world->ingress,
        .network = peer_rows[request->peer].network,
        .invoker_check_off =
            world->off && (!world->off_for_a_time || request->now_s < NOW_S + OFF_S),
    };
    if (found) {
        facts.all_users = search(world, request, false, everyone, 1, &by_all);
        bool special = request->serverless != -1;
        int token = special ? request->serverless : request->authorization;
        bool twice = special ? request->serverless_twice : request->authorization_twice;
        struct who who = {.count = 0};
        if (world->door) {
            door_answer(world, request, &facts.door, &door_by_all, &door_by_caller);
            struct who names = {.names = {17, 1}, .count = 2};
            add_groups(world, &names);
            facts.credential = CREDENTIAL_VALID;
            facts.principal = search(world, request, false, names.names, names.count, &by_caller);
        } else if (token == -1 || (token == -2 && !twice)) {
            facts.credential = CREDENTIAL_NONE;
        } else if (twice || token == -3 ||
                   !believe(world, request, false, &token_rows[token], &who)) {
            facts.credential = CREDENTIAL_BAD;
        } else {
            facts.credential = CREDENTIAL_VALID;
            add_groups(world, &who);
            facts.principal = search(world, request, false, who.names, who.count, &by_caller);
        }
    }
    struct expected out = {.verdict = policy_decide(&facts), .grant = -1};
    if (out.verdict.rung == RUNG_ALL_USERS) {
        out.grant = by_all;
    } else if (out.verdict.rung == RUNG_BINDING) {
        out.grant = by_caller;
    } else if (out.verdict.rung == RUNG_PATH_UNCLEAR) {
        out.grant = facts.all_users == GRANT_PATH_UNCLEAR ? by_all : by_caller;
    } else if (out.verdict.rung == RUNG_DOOR_PATH_UNCLEAR) {
        out.of_door = true;
        out.grant = facts.door.all_users == GRANT_PATH_UNCLEAR ? door_by_all : door_by_caller;
    }
    out.identified =
        facts.door.token == CREDENTIAL_VALID ||
        (facts.door.token == CREDENTIAL_NONE && facts.door.session && !facts.door.cross_site);
    return out;
}
