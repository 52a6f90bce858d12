/* Built without the console (-Dconsole=disabled, or no Node.js on the machine that built it). */
#include "control/front/assets.h"

const struct console_asset console_assets[] = {{0}};
