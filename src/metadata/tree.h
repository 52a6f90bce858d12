/*
 * The tree of values below /computeMetadata/v1/: which path is which, and the forms in which a
 * folder is shown. Pure.
 */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

enum tree_value {
    TREE_PROJECT_ID,
    TREE_PROJECT_NUMBER,
    TREE_INSTANCE_ID,
    TREE_REGION,
    TREE_ZONE,
    TREE_UNIVERSE,
    TREE_ALIASES,
    TREE_EMAIL,
    TREE_SCOPES,
    TREE_TOKEN,
    TREE_IDENTITY,
};

enum tree_kind {
    TREE_NOTHING,
    TREE_FOLDER,
    TREE_FOLDER_BARE, /* named without its slash: clients are sent to the one with it */
    TREE_LEAF,
};

struct tree_facts {
    const char *project, *project_number, *region;
    const char *instance_id;
    struct slice email; /* of the account; "" where it does not matter, or does not exist */
};

struct tree_place {
    enum tree_kind kind;
    enum tree_value value; /* of a leaf */
    /* Pattern of a folder: "" is the root, "instance/service-accounts/{account}/" an account. */
    const char *folder;
    struct slice account; /* as the path names it: "default" or an address; "" if it names none */
};

/* PATH: decoded, from the first '/', without query. */
struct tree_place tree_find(struct arena *arena, struct slice path);

/* Whether a place can only be shown once the caller's account is known. */
bool tree_needs_account(const struct tree_place *place, bool recursive);

/* The text of a leaf; tokens have none. */
struct slice tree_text(struct arena *arena, enum tree_value value, const struct tree_facts *facts);

/* The listing of a folder: one name a line, folders with a slash. */
struct slice tree_listing(struct arena *arena, const struct tree_place *place,
                          const struct tree_facts *facts);
/* The folder, or leaf, with all that is below it, but tokens. */
struct slice tree_json(struct arena *arena, const struct tree_place *place,
                       const struct tree_facts *facts);

/* The scopes of a token where the request names none. */
#define TREE_SCOPE "https://www.googleapis.com/auth/cloud-platform"
