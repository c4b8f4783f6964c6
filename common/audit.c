#include "common/audit.h"

#include <string.h>

#include "common/utf8.h"

static int check_text(const char *what, const char *text, size_t max, struct reason *why)
{
    size_t len = strlen(text);

    if (len > max) {
        reason_set(why, "%s has %zu bytes; %zu are the most", what, len, max);
        return ERR_INVALID;
    }
    if (!utf8_is_valid(text, len)) {
        reason_set(why, "%s is not UTF-8", what);
        return ERR_INVALID;
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) {
            reason_set(why, "%s has a control character in it (byte %zu): one line of text is wanted", what, i + 1);
            return ERR_INVALID;
        }
    }
    return 0;
}

int audit_check_by(const struct audit_by *by, struct reason *why)
{
    if (by->actor[0] == '\0') {
        reason_set(why, "nobody is named as the one who does it");
        return ERR_INVALID;
    }
    if (check_text("the actor's name", by->actor, AUDIT_ACTOR_MAX, why) != 0)
        return ERR_INVALID;
    return check_text("the reason", by->reason, AUDIT_REASON_MAX, why);
}

void audit_action_write(const struct audit_action *action, struct buf *out)
{
    buf_text(out, "{\"at\":");
    buf_int(out, action->at_ms);
    buf_member_text(out, "what", action->what);
    buf_member_text(out, "actor", action->by->actor);
    buf_member_text(out, "reason", action->by->reason);
    buf_member_text(out, "id", action->id);
    buf_member_text(out, "campaign", action->campaign);
    buf_member_text(out, "to", action->to);
    if (action->count >= 0)
        buf_member_int(out, "count", action->count);
    if (action->is_edited)
        buf_text(out, ",\"edited\":true");
    buf_char(out, '}');
}
