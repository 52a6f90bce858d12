#include "control/record/owner.h"

#include <stdio.h>

static const char setting[] = "owner";

bool owner_put(struct control *control, const char *sub, struct error *err)
{
    auto_json *body = json_pack("{s:s}", "sub", sub);
    snprintf(control->owner_sub, sizeof(control->owner_sub), "%s", sub);
    return store_put(control->store, STORE_SETTING, setting, body, NULL, NULL, err);
}

bool owner_load(struct control *control, struct error *err)
{
    auto_doc doc = {0};
    switch (store_get(control->store, STORE_SETTING, setting, &doc, err)) {
    case STORE_ABSENT:
        return true;
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        break;
    }
    snprintf(control->owner_sub, sizeof(control->owner_sub), "%s",
             json_text_or(doc.body, "sub", ""));
    return true;
}

bool owner_is(struct control *control, const char *resource)
{
    auto_doc subject = {0};
    if (control->owner_sub[0] == '\0') {
        return false;
    }
    enum store_result found =
        store_get(control->store, STORE_SUBJECT, control->owner_sub, &subject, NULL);
    if (found != STORE_FOUND) {
        return found == STORE_FAILED; /* what cannot be read may be the owner */
    }
    return strcmp(json_text_or(subject.body, "key", ""), resource) == 0;
}
