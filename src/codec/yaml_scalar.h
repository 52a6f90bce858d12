/* What a plain scalar of YAML means, for reader and writer alike. */
#pragma once

#include "codec/codec.h"

enum yaml_type { YAML_STRING, YAML_NULL, YAML_BOOL, YAML_INT, YAML_FLOAT, YAML_NO_NUMBER };

/* The core schema of YAML 1.2.2 (section 10.3.2). NO_NUMBER: .inf and .nan, which JSON lacks. */
enum yaml_type yaml_plain_type(struct slice text);

/* The value; NULL if it is a number that is out of range. TYPE is what yaml_plain_type() said. */
json_t *yaml_plain_value(struct slice text, enum yaml_type type);

/* Whether some reader of YAML 1.1 would take the plain text for something else than a string. */
bool yaml_is_old_word(struct slice text);
