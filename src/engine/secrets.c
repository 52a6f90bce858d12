#include "engine/secrets.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"

enum { FILE_MODES = 0777 };

/* ---- values ---- */

/* The compiler must not find that nobody reads it any more. */
static void wipe(void *memory, size_t bytes)
{
    explicit_bzero(memory, bytes);
}

static void secret_free(struct secret *secret)
{
    wipe(secret->memory, secret->memory_bytes);
    free(secret->memory);
    free(secret);
}

void secrets_done(struct secrets *secrets)
{
    while (secrets->first != NULL) {
        struct secret *secret = secrets->first;
        secrets->first = secret->next;
        secret_free(secret);
    }
    secrets->bytes = 0;
}

/* Puts the names where they stand in secret->memory. */
static bool name_it(struct secret *secret, size_t name_bytes)
{
    size_t first = strlen(secret->memory);
    if (secret->mode == 0) {
        secret->name = secret->memory;
        return first == name_bytes && first > 0 && strchr(secret->memory, '=') == NULL &&
               memchr(secret->value.data, '\0', secret->value.len) == NULL;
    }
    secret->folder = secret->memory;
    secret->path = secret->memory + first + 1;
    return first < name_bytes && first + 1 + strlen(secret->path) == name_bytes &&
           secret->folder[0] == '/' && path_leads_below(secret->path);
}

bool secrets_add(struct secrets *secrets, const void *body, size_t bytes)
{
    struct msg_secret head;
    if (bytes < sizeof(head)) {
        return false;
    }
    memcpy(&head, body, sizeof(head));
    if ((uint64_t)head.name_bytes + head.bytes != bytes - sizeof(head) ||
        head.bytes > SECRETS_BYTES_MAX - secrets->bytes) {
        return false;
    }
    struct secret *secret = mem_new(struct secret);
    size_t all = (size_t)head.name_bytes + 1 + head.bytes + 1; /* each with a NUL behind it */
    char *memory = mem_array(all, char);
    const char *from = (const char *)body + sizeof(head);
    memcpy(memory, from, head.name_bytes);
    memcpy(memory + head.name_bytes + 1, from + head.name_bytes, head.bytes);
    secret->container = head.container;
    secret->mode = head.mode & FILE_MODES;
    secret->memory = memory;
    secret->memory_bytes = all;
    secret->value = (struct slice){memory + head.name_bytes + 1, head.bytes};
    if (head.mode > FILE_MODES || !name_it(secret, head.name_bytes)) {
        secret_free(secret);
        return false;
    }
    struct secret **end = &secrets->first;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = secret;
    secrets->bytes += head.bytes;
    return true;
}

bool secrets_have(const struct secrets *secrets, size_t number, struct slice name)
{
    for (const struct secret *secret = secrets->first; secret != NULL; secret = secret->next) {
        if (secret->container == number && secret->name != NULL && slice_is(name, secret->name)) {
            return true;
        }
    }
    return false;
}

void secrets_sum(const struct secrets *secrets, unsigned char out[SECRETS_SUM_BYTES])
{
    EVP_MD_CTX *sum = mem_sure(EVP_MD_CTX_new());
    bool good = EVP_DigestInit_ex(sum, EVP_sha256(), NULL) == 1;
    for (const struct secret *secret = secrets->first; secret != NULL; secret = secret->next) {
        const uint64_t head[] = {secret->container, secret->mode, secret->memory_bytes,
                                 secret->value.len};
        good = good && EVP_DigestUpdate(sum, head, sizeof(head)) == 1 &&
               EVP_DigestUpdate(sum, secret->memory, secret->memory_bytes) == 1;
    }
    if (!good || EVP_DigestFinal_ex(sum, out, NULL) != 1) {
        random_bytes(out, SECRETS_SUM_BYTES); /* the same as nothing: another instance starts */
    }
    EVP_MD_CTX_free(sum);
}

/* ---- asking ---- */

bool secrets_ask(struct secrets_asks *asks, struct ipc_channel *control,
                 const struct run_record *record, bool anew, struct secrets_ask *ask)
{
    struct msg_secrets_ask message = {.revision_id = record->revision_id, .anew = anew};
    do {
        message.id = random_u64();
    } while (message.id == 0);
    int length = snprintf(message.revision, sizeof(message.revision),
                          "projects/%s/locations/%s/services/%s/revisions/%s", record->project,
                          record->region, record->service, record->revision);
    if (control == NULL || length < 0 || (size_t)length >= sizeof(message.revision) ||
        !ipc_send(control, MSG_SECRETS_ASK, &message, sizeof(message))) {
        return false;
    }
    ask->id = message.id;
    ask->next = asks->first;
    asks->first = ask;
    return true;
}

void secrets_forget(struct secrets_asks *asks, struct secrets_ask *ask)
{
    struct secrets_ask **link = &asks->first;
    while (*link != NULL && *link != ask) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        *link = ask->next;
    }
    ask->id = 0;
}

static struct secrets_ask *find(const struct secrets_asks *asks, uint64_t id)
{
    struct secrets_ask *ask = asks->first;
    while (ask != NULL && ask->id != id) {
        ask = ask->next;
    }
    return ask;
}

static void end(struct secrets_asks *asks, struct secrets_ask *ask, const char *why)
{
    secrets_forget(asks, ask);
    if (why != NULL) {
        secrets_done(ask->into);
    }
    ask->done(ask->ctx, why);
}

void secrets_hear(struct secrets_asks *asks, enum message_type type, const void *body, size_t bytes)
{
    struct secrets_ask *ask;
    if (type == MSG_SECRET && bytes >= sizeof(struct msg_secret)) {
        struct msg_secret head;
        memcpy(&head, body, sizeof(head));
        ask = find(asks, head.id);
        if (ask != NULL && !secrets_add(ask->into, body, bytes)) {
            end(asks, ask, "a secret came that no container can be given");
        }
    } else if (type == MSG_SECRETS_TOLD && bytes == sizeof(struct msg_secrets_told)) {
        struct msg_secrets_told told;
        memcpy(&told, body, sizeof(told));
        told.text[sizeof(told.text) - 1] = '\0';
        ask = find(asks, told.id);
        if (ask != NULL) {
            end(asks, ask, told.ok ? NULL : told.text);
        }
    }
}
