/* Filters of lists: one that is refused holds for nothing, and no bytes do harm. */
#include <stdlib.h>

#include "control/api/crm_filter.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static struct store_doc docs[2];
    struct error err = {0};
    if (docs[0].body == NULL) {
        snprintf(docs[0].key, sizeof(docs[0].key), "projects/web-one");
        docs[0].body =
            json_pack("{s:s, s:s, s:s, s:s, s:{s:s}}", "projectId", "web-one", "name", "Web one",
                      "parent", "folders/12", "lifecycleState", "ACTIVE", "labels", "team", "web");
        snprintf(docs[1].key, sizeof(docs[1].key), "folders/12");
        docs[1].body = json_pack("{s:s}", "displayName", "Team");
    }
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    bool good = crm_filter_check(text, &err);
    for (size_t i = 0; i < 2; i++) {
        if (crm_filter_holds(text, &docs[i]) && !good) {
            abort();
        }
    }
    if (!good && err.text[0] == '\0') {
        abort();
    }
    free(text);
    return 0;
}
