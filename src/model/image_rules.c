/*
 * A list of what is dangerous can never be whole. So the list is not what protects by default:
 * without a word of the registrant no variable may be set at all. It is what `--allow-env=safe`
 * leaves out, and what a registrant is warned of.
 */
#include "model/image_rules.h"

#include <stdio.h>

/* ---- variables that decide what is loaded, run or trusted ---- */

struct reader {
    const char *pattern; /* a name, or the beginning ("X*") or the end ("*X") of one */
    const char *who;     /* NULL: an exception to a row below it */
};

static const char loader[] = "the dynamic loader";

/* The first row that matches is the answer. */
static const struct reader readers[] = {
    /* the C library and its loader */
    {"LD_*", loader},
    {"DYLD_*", loader},
    {"*LIBRARY_PATH", loader},
    {"*LIBPATH", loader},
    {"SHLIB_PATH", loader},
    {"*_PRELOAD", loader},
    {"GLIBC_TUNABLES", loader},
    {"GCONV_PATH", loader},
    {"GETCONF_DIR", loader},
    {"LOCPATH", loader},
    {"NLSPATH", loader},
    {"MALLOC_*", loader},
    {"MALLOC*CONF", loader},
    {"*ASAN_OPTIONS", loader},
    {"*SAN_OPTIONS", loader},
    {"TZDIR", loader},
    {"HOSTALIASES", "the resolver"},
    {"LOCALDOMAIN", "the resolver"},
    {"RES_OPTIONS", "the resolver"},
    {"RESOLV_*", "the resolver"},
    {"NIS_PATH", "the resolver"},
    {"TERMINFO*", "the terminal library"},
    {"TERMCAP", "the terminal library"},
    {"TERMPATH", "the terminal library"},
    /* shells */
    {"PATH", "everything that starts a program by its name"},
    {"HOME", "everything that has settings in a home folder"},
    {"XDG_*", "everything that has settings in a home folder"},
    {"BASH*", "the shell"},
    {"ENV", "the shell"},
    {"IFS", "the shell"},
    {"CDPATH", "the shell"},
    {"FPATH", "the shell"},
    {"ZDOTDIR", "the shell"},
    {"KSH*", "the shell"},
    {"SHELL", "the shell"},
    {"SHELLOPTS", "the shell"},
    {"PS0", "the shell"},
    {"PS1", "the shell"},
    {"PS2", "the shell"},
    {"PS4", "the shell"},
    {"PROMPT*", "the shell"},
    {"GLOBIGNORE", "the shell"},
    {"EXECIGNORE", "the shell"},
    {"HISTFILE", "the shell"},
    {"INPUTRC", "the shell"},
    {"FCEDIT", "the shell"},
    {"POSIXLY_CORRECT", "the shell"},
    /* interpreters */
    {"PYTHON*", "Python"},
    {"__PYVENV*", "Python"},
    {"VIRTUAL_ENV", "Python"},
    {"PIP_*", "Python"},
    {"GUNICORN_CMD_ARGS", "Python"},
    {"NODE_ENV", NULL},
    {"NODE_*", "Node"},
    {"NPM_*", "Node"},
    {"npm_*", "Node"},
    {"YARN_*", "Node"},
    {"TS_NODE_*", "Node"},
    {"BUN_*", "Bun"},
    {"DENO_*", "Deno"},
    {"PERL*", "Perl"},
    {"RUBY*", "Ruby"},
    {"GEM_*", "Ruby"},
    {"BUNDLE*", "Ruby"},
    {"RACK_ENV", NULL},
    {"PHPRC", "PHP"},
    {"PHP_*", "PHP"},
    {"LUA_*", "Lua"},
    {"TCL*", "Tcl"},
    {"R_*", "R"},
    {"JULIA_*", "Julia"},
    {"GUILE_*", "Guile"},
    {"ERL_*", "Erlang"},
    {"ELIXIR_*", "Erlang"},
    {"MIX_*", "Erlang"},
    {"CAML*", "OCaml"},
    {"OCAML*", "OCaml"},
    {"AWKPATH", "awk"},
    {"AWKLIBPATH", "awk"},
    {"JAVA_*", "Java"},
    {"_JAVA_*", "Java"},
    {"JDK_*", "Java"},
    {"JRE_*", "Java"},
    {"JVM_*", "Java"},
    {"CLASSPATH", "Java"},
    {"CATALINA_*", "Java"},
    {"MAVEN_*", "Java"},
    {"GRADLE_*", "Java"},
    {"DOTNET_*", ".NET"},
    {"COMPlus_*", ".NET"},
    {"CORECLR_*", ".NET"},
    {"COREHOST_*", ".NET"},
    {"COR_*", ".NET"},
    {"ASPNETCORE_HOSTINGSTARTUP*", ".NET"},
    {"MONO_*", ".NET"},
    {"GODEBUG", "Go"},
    {"GOENV", "Go"},
    {"GOFLAGS", "Go"},
    {"GOPATH", "Go"},
    {"GOROOT", "Go"},
    {"GOTOOLCHAIN", "Go"},
    {"GOCOVERDIR", "Go"},
    {"RUSTC*", "Rust"},
    {"CARGO_*", "Rust"},
    {"WASMTIME_*", "WebAssembly"},
    /* tools that programs start, and libraries that load modules or trust files by a variable */
    {"GIT_*", "git"},
    {"SSH_*", "ssh"},
    {"MAKE*", "make"},
    {"GNUMAKEFLAGS", "make"},
    {"EDITOR", "programs that start an editor"},
    {"VISUAL", "programs that start an editor"},
    {"*PAGER", "programs that start a pager"},
    {"LESS*", "programs that start a pager"},
    {"BROWSER", "programs that start a browser"},
    {"OPENSSL_*", "OpenSSL"},
    {"SSL_CERT_*", "OpenSSL"},
    {"SSLKEYLOGFILE", "OpenSSL"},
    {"P11_*", "the TLS library"},
    {"GNUTLS_*", "the TLS library"},
    {"NSS_*", "the TLS library"},
    {"CURL_*", "curl"},
    {"WGETRC", "wget"},
    {"NETRC", "curl"},
    {"REQUESTS_CA_BUNDLE", "Python"},
    {"KRB5*", "Kerberos"},
    {"GSS_*", "Kerberos"},
    {"SASL_*", "the SASL library"},
    {"LDAPCONF", "the LDAP library"},
    {"LDAPRC", "the LDAP library"},
    {"PGSERVICEFILE", "the PostgreSQL library"},
    {"PGSYSCONFDIR", "the PostgreSQL library"},
    {"MYSQL_HOME", "the MySQL library"},
    {"LIBMYSQL_*", "the MySQL library"},
    {"ODBC*", "the ODBC library"},
    {"ORACLE_HOME", "the Oracle library"},
    {"TNS_ADMIN", "the Oracle library"},
    {"GTK*", "GTK"},
    {"GDK_*", "GTK"},
    {"GIO_*", "GTK"},
    {"GI_*", "GTK"},
    {"QT_*", "Qt"},
    {"QML*", "Qt"},
    {"MAGICK_*", "ImageMagick"},
    {"FONTCONFIG_*", "the font library"},
    {"*PLUGIN_PATH", "libraries that load plug-ins"},
    {"*MODULE_PATH", "libraries that load plug-ins"},
};

static bool pattern_matches(const char *pattern, struct slice name)
{
    struct slice text = slice_of(pattern);
    ptrdiff_t star = slice_find(text, '*');
    if (star < 0) {
        return slice_equal(text, name);
    }
    struct slice head = slice_upto(text, (size_t)star);
    struct slice tail = slice_from(text, (size_t)star + 1);
    return name.len >= head.len + tail.len && slice_starts(name, head) && slice_ends(name, tail);
}

const char *image_env_reader(const char *name)
{
    for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
        if (pattern_matches(readers[i].pattern, slice_of(name))) {
            return readers[i].who;
        }
    }
    return NULL;
}

/* ---- the check ---- */

static size_t count_of(const char *const *list)
{
    size_t count = 0;
    while (list[count] != NULL) {
        count++;
    }
    return count;
}

static bool list_has(const char *const *list, const char *name)
{
    for (size_t i = 0; list[i] != NULL; i++) {
        if (strcmp(list[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool same_lists(const char *const *a, const char *const *b)
{
    size_t count = count_of(a);
    if (count != count_of(b)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(a[i], b[i]) != 0) {
            return false;
        }
    }
    return true;
}

static bool env_allowed(const struct image_rules *rules, const char *name)
{
    /* Of the container contract: where a user may set it (in a sidecar), any image takes it. */
    static const char *const contract[] = {"PORT", NULL};
    const char *who = image_env_reader(name);
    if (list_has(rules->env, name) || list_has(contract, name)) {
        return true;
    }
    /* The built-in images are static programs: nothing is interpreted, and only the loader could be
     * misled. */
    return who == NULL ? rules->safe_env || rules->built_in : rules->built_in && who != loader;
}

static void explain_env(const struct image_rules *rules, const char *name, char *why, size_t bytes)
{
    const char *who = image_env_reader(name);
    if (rules->built_in) {
        snprintf(why, bytes, "the variable %.100s cannot be set for a built-in image: %s reads it",
                 name, who);
    } else if (who != NULL) {
        snprintf(why, bytes,
                 "the variable %.100s cannot be set: %s reads it, so it could change what the "
                 "program loads or runs. The person who registers the image can allow it by name: "
                 "homerun "
                 "images add … --allow-env=%.100s",
                 name, who, name);
    } else {
        snprintf(why, bytes,
                 "the variable %.100s cannot be set: the image was registered without it. The "
                 "person who "
                 "registers the image can allow it (homerun images add … --allow-env=%.100s), or "
                 "all that no loader or interpreter reads (--allow-env=safe)",
                 name, name);
    }
}

enum image_part image_rules_check(const struct image_rules *rules, const struct image_ask *ask,
                                  char *why, size_t why_bytes)
{
    if (ask->command[0] != NULL && !same_lists(ask->command, ask->program)) {
        snprintf(why, why_bytes,
                 "the command \"%.200s\" cannot replace the program that the image was registered "
                 "with. Register another image with \"homerun images add\"",
                 ask->command[0]);
        return IMAGE_COMMAND;
    }
    if (ask->args[0] != NULL && !rules->args && !rules->built_in) {
        snprintf(
            why, why_bytes,
            "the argument \"%.200s\" cannot be given: the image was registered with its "
            "arguments. The person who registers the image can allow others: homerun images add … "
            "--allow-args",
            ask->args[0]);
        return IMAGE_ARGS;
    }
    for (size_t i = 0; ask->env[i] != NULL; i++) {
        if (!env_allowed(rules, ask->env[i])) {
            explain_env(rules, ask->env[i], why, why_bytes);
            return IMAGE_ENV;
        }
    }
    return IMAGE_FINE;
}

/* ---- JSON ---- */

struct image_rules image_rules_read(struct arena *arena, const json_t *image)
{
    const json_t *allowed = json_object_get(image, "allowEnv");
    const json_t *declared = json_object_get(image, "env");
    size_t most = json_array_size(allowed) + json_array_size(declared), count = 0;
    const char **names = arena_array(arena, const char *, most + 1);
    for (size_t i = 0; i < json_array_size(allowed); i++) {
        const char *name = json_string_value(json_array_get(allowed, i));
        names[count++] = arena_string(arena, slice_of(name == NULL ? "" : name));
    }
    for (size_t i = 0; i < json_array_size(declared); i++) {
        const char *name = json_text_or(json_array_get(declared, i), "name", "");
        names[count++] = arena_string(arena, slice_of(name));
    }
    names[count] = NULL;
    return (struct image_rules){
        .built_in = json_flag(image, "builtIn", false),
        .args = json_flag(image, "allowArgs", false),
        .safe_env = json_flag(image, "allowSafeEnv", false),
        .listens_wide = json_flag(image, "listensWide", false),
        .env = names,
    };
}

json_t *image_rules_record(const json_t *image)
{
    static const char *const members[] = {"builtIn",  "allowArgs",   "allowSafeEnv",
                                          "allowEnv", "listensWide", "env"};
    json_t *out = json_object();
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        json_t *value = json_object_get(image, members[i]);
        if (value != NULL) {
            json_object_set_new(out, members[i], json_deep_copy(value));
        }
    }
    return out;
}
