/* From a row and a template to one person's message, or to the reason why not. */
#include "producer/personalise.h"

#include <string.h>

#include "tests/unit/unit.h"

#define NOW_MS INT64_C(1767225600000) /* 2026-01-01 */
#define SMS    "{\"name\":\"n\",\"channel\":\"sms\",\"from\":\"+13175550100\","
#define TEXT   "\"texts\":{\"en\":\"Hi {{name|friend}}\"}"
#define ORIGIN "\"origin\":\"https://"

/* A template, people and what binds them. */
struct desk {
    struct template *template;
    struct recipients *source;
    struct personaliser *personaliser;
};

static struct template *must_parse(const char *file)
{
    struct reason why = {""};
    struct template *t = NULL;

    if (template_parse(&t, file, strlen(file), &why) != 0)
        fail_msg("%s: %s", file, why.text);
    return t;
}

static struct personaliser_config config_of(const struct template *t)
{
    return (struct personaliser_config){
        .template = t,
        .campaign = "spring",
        .origins = "genesys.cloud,example.com",
        .now_ms = NOW_MS,
    };
}

/* Opens all three; `key` may be NULL. */
static struct desk must_open(const char *file, const char *people, enum recipients_format format, const char *key)
{
    struct desk desk = {must_parse(file), NULL, NULL};
    struct personaliser_config config = config_of(desk.template);
    struct reason why = {""};

    config.key_column = key;
    if (personaliser_create(&desk.personaliser, &config, &why) != 0 ||
        recipients_open_memory(&desk.source, people, strlen(people), 0, format, &why) != 0 ||
        personaliser_bind(desk.personaliser, desk.source, &why) != 0)
        fail_msg("%s", why.text);
    return desk;
}

static void close_desk(struct desk *desk)
{
    personaliser_destroy(desk->personaliser);
    recipients_close(desk->source);
    template_free(desk->template);
}

static int next(struct desk *desk, struct personal *personal, struct row_refusal *refusal)
{
    struct reason why = {""};
    struct row row;

    if (recipients_next(desk->source, &row, &why) != 1)
        fail_msg("no further row: %s", why.text);
    return personaliser_apply(desk->personaliser, desk->source, &row, personal, refusal);
}

/* --- what does not depend on a row --- */

struct create_case {
    const char *about;
    const char *file;
    const char *from, *route; /* NULL: the template's */
    const char *reason;       /* NULL: it can be used */
};

static const struct create_case create_cases[] = {
    {"an SMS", SMS TEXT "}", NULL, NULL, NULL},
    {"an SMS by the tutorial's route", SMS TEXT "}", NULL, "messaging", NULL},
    {"a sender on the command line", "{\"channel\":\"sms\"," TEXT "}", "+13175550100", NULL, NULL},
    {"facebook without a route", "{\"channel\":\"facebook\",\"from\":\"page\"," TEXT "}", NULL, NULL, NULL},
    {"web", "{\"channel\":\"web\",\"from\":\"d\"," TEXT "}", NULL, NULL, NULL},
    {"open", "{\"channel\":\"open\",\"from\":\"d\"," TEXT "}", NULL, NULL, NULL},
    {"apple", "{\"channel\":\"apple\",\"from\":\"d\"," TEXT "}", NULL, NULL, NULL},
    {"an approved template", "{\"channel\":\"whatsapp\",\"from\":\"i\",\"responseId\":\"r\"}", NULL, NULL, NULL},
    {"whatsapp by the tutorial's route", "{\"channel\":\"whatsapp\",\"from\":\"+13175550100\"," TEXT "}", NULL,
     "messaging", NULL},
    {"all words", SMS TEXT ",\"priority\":\"low\",\"on_unknown\":\"hold\",\"expires_after\":\"90m\"}", NULL, NULL,
     NULL},
    {"an allowed origin", SMS TEXT "," ORIGIN "EXAMPLE.com:443/x\"}", NULL, NULL, NULL},
    {"labels", SMS TEXT ",\"labels\":{\"team\":\"a\"}}", NULL, NULL, NULL},

    {"a channel that is none", "{\"channel\":\"pigeon\",\"from\":\"+13175550100\"," TEXT "}", NULL, NULL,
     "channel `pigeon` must be sms"},
    {"the channel that none is called", "{\"channel\":\"none\",\"from\":\"+13175550100\"," TEXT "}", NULL, NULL,
     "channel `none`"},
    {"a route that is none", SMS TEXT ",\"route\":\"pigeon\"}", NULL, NULL, "route `pigeon`: a campaign goes by"},
    {"a route for answers", SMS TEXT ",\"route\":\"conversation\"}", NULL, NULL, "route `conversation`"},
    {"a route for answers and no channel", "{\"route\":\"conversation\"," TEXT "}", NULL, NULL, "route `conversation`"},
    {"facebook by the real API", "{\"channel\":\"facebook\",\"from\":\"page\"," TEXT "}", NULL, "agentless",
     "facebook does not go by this route"},
    {"apple by the tutorial's route", "{\"channel\":\"apple\",\"from\":\"d\"," TEXT "}", NULL, "messaging",
     "apple does not go by this route"},
    {"whatsapp text by the real API", "{\"channel\":\"whatsapp\",\"from\":\"i\"," TEXT "}", NULL, NULL,
     "approved template only"},
    {"no sender", "{\"channel\":\"sms\"," TEXT "}", NULL, NULL, "there is no sender"},
    {"a name as the sender of an SMS", "{\"channel\":\"sms\",\"from\":\"shop\"," TEXT "}", NULL, NULL,
     "sent from a number"},
    {"a number without +", "{\"channel\":\"sms\",\"from\":\"13175550100\"," TEXT "}", NULL, NULL, "sent from a number"},
    {"a bad sender on the command line", SMS TEXT "}", "shop", NULL, "sent from a number"},
    {"another channel's sender", SMS TEXT "}", "facebook:page", "messaging", "is one of facebook"},
    {"a priority that is none", SMS TEXT ",\"priority\":\"urgent\"}", NULL, NULL,
     "priority must be high, normal or low"},
    {"a policy that is none", SMS TEXT ",\"on_unknown\":\"hope\"}", NULL, NULL, "on_unknown must be resend or hold"},
    {"a life that is none", SMS TEXT ",\"expires_after\":\"soon\"}", NULL, NULL, "expires_after must be a duration"},
    {"a life of nothing", SMS TEXT ",\"expires_after\":\"0s\"}", NULL, NULL, "expires_after must be a duration"},
    {"a life beyond all clocks", SMS TEXT ",\"expires_after\":\"106751991167d\"}", NULL, NULL, "at most 3650d"},
    {"an origin that is none", SMS TEXT ",\"origin\":\"example.com\"}", NULL, NULL, "not an http or https URL"},
    {"a stranger's origin", SMS TEXT "," ORIGIN "example.com.evil.net\"}", NULL, NULL, "origin's host"},
    {"an origin with a user", SMS TEXT "," ORIGIN "example.com@evil.net\"}", NULL, NULL, "origin"},
};

static void a_template_is_checked_before_the_first_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(create_cases); i++) {
        const struct create_case *c = &create_cases[i];
        struct template *t = must_parse(c->file);
        struct personaliser_config config = config_of(t);
        struct personaliser *p = NULL;
        struct reason why = {""};
        int rc;

        config.from = c->from;
        config.route = c->route;
        rc = personaliser_create(&p, &config, &why);
        if (c->reason ? rc != ERR_INVALID || p || !strstr(why.text, c->reason) : rc != 0)
            fail_msg("%s: returned %d, said '%s'", c->about, rc, why.text);
        personaliser_destroy(p);
        template_free(t);
    }
}

static void labels_have_a_largest_size(void **state)
{
    struct personaliser *p = NULL;
    struct reason why = {""};
    struct template *t;
    struct buf file;

    (void)state;
    buf_init(&file, TEMPLATE_MAX_BYTES);
    buf_text(&file, SMS TEXT ",\"labels\":{\"a\":\"");
    for (int i = 0; i < 70000; i++)
        buf_char(&file, 'x');
    buf_text(&file, "\"}}");
    t = must_parse(file.data);
    assert_int_equal(personaliser_create(&p, &(struct personaliser_config){.template = t, .campaign = "c"}, &why),
                     ERR_INVALID);
    assert_non_null(strstr(why.text, "labels have at most 64 KiB"));
    template_free(t);
    buf_clear(&file);
}

struct bind_case {
    const char *about;
    const char *texts;
    const char *people;
    const char *key;
    const char *reason; /* NULL: it can be used */
};

static const struct bind_case bind_cases[] = {
    {"all there is", "{\"en\":\"{{name}} {{date}}\"}", "to,name,date,consentVerified\n", NULL, NULL},
    {"other names for the same", "{\"en\":\"Hi\"}", "address,consent_verified,locale\n", NULL, NULL},
    {"a key", "{\"en\":\"Hi\"}", "to,consent,order\n", "order", NULL},
    {"a variable with a default", "{\"en\":\"{{name|you}}\"}", "to,consent\n", NULL, NULL},
    {"no address", "{\"en\":\"Hi\"}", "phone,consent\n", NULL, "no column `to`"},
    {"no consent", "{\"en\":\"Hi\"}", "to,name\n", NULL, "no column `consentVerified`"},
    {"capital letters", "{\"en\":\"Hi\"}", "To,consent\n", NULL, "no column `to`"},
    {"no key", "{\"en\":\"Hi\"}", "to,consent\n", "order", "no column `order`, which --key names"},
    {"no column for a variable", "{\"en\":\"{{date}}\"}", "to,consent,Date\n", NULL, "no column `date`"},
    {"a default in one text only", "{\"en\":\"{{x|}}\",\"de\":\"{{x}}\"},\"default_language\":\"en\"", "to,consent\n",
     NULL, "no column `x`"},
};

static void columns_are_bound_or_the_missing_one_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bind_cases); i++) {
        const struct bind_case *c = &bind_cases[i];
        struct recipients *source = NULL;
        struct personaliser *p = NULL;
        struct personaliser_config config;
        struct reason why = {""};
        struct template *t;
        struct buf file;
        int rc;

        buf_init(&file, 4096);
        buf_printf(&file, "%s\"texts\":%s}", SMS, c->texts);
        t = must_parse(file.data);
        config = config_of(t);
        config.key_column = c->key;
        assert_int_equal(personaliser_create(&p, &config, &why), 0);
        assert_int_equal(recipients_open_memory(&source, c->people, strlen(c->people), 0, RECIPIENTS_CSV, &why), 0);
        rc = personaliser_bind(p, source, &why);
        if (c->reason ? rc != ERR_INVALID || !strstr(why.text, c->reason) : rc != 0)
            fail_msg("%s: returned %d, said '%s'", c->about, rc, why.text);
        recipients_close(source);
        personaliser_destroy(p);
        template_free(t);
        buf_clear(&file);
    }
}

/* --- rows --- */

#define PLAIN SMS TEXT "}"
#define FOUR                                                                                                           \
    SMS "\"default_language\":\"en\",\"texts\":{\"en\":\"en {{x}}\",\"es\":\"es {{x}}\",\"fr\":\"fr {{x}}\","          \
        "\"pt-BR\":\"br {{x}}\"}}"
#define FOR_WEB "{\"channel\":\"web\",\"from\":\"d\"," TEXT "}"
#define OUT_FB  "{\"channel\":\"facebook\",\"from\":\"page\"," TEXT "}"
#define OUT_WEB "{\"channel\":\"web\",\"route\":\"messaging\",\"from\":\"d\"," TEXT "}"
#define HEAD    "to,name,consent\n"
#define HEAD_X  "to,x,language,consent\n"
#define TEN     "0123456789"
#define FIFTY   TEN TEN TEN TEN TEN

struct row_case {
    const char *about;
    const char *file;
    const char *people;        /* a header and a row */
    const char *column, *code; /* of the refusal; NULL: none */
    const char *text;          /* the message, or a part of the refusal */
    const char *language, *to; /* of the message */
};

static const struct row_case row_cases[] = {
    {"a person", PLAIN, HEAD "+13175550101,Ann,true\n", NULL, NULL, "Hi Ann", "en", "13175550101"},
    {"a person without a name", PLAIN, HEAD "+13175550101,,true\n", NULL, NULL, "Hi friend", "en", "13175550101"},
    {"a number without +", PLAIN, HEAD "13175550101,Ann,true\n", NULL, NULL, "Hi Ann", "en", "13175550101"},
    {"a number with its channel", PLAIN, HEAD "sms:+13175550101,Ann,yes\n", NULL, NULL, "Hi Ann", "en", "13175550101"},
    {"consent in capitals", PLAIN, HEAD "+13175550101,Ann,TRUE\n", NULL, NULL, "Hi Ann", "en", "13175550101"},
    {"consent as a digit", PLAIN, HEAD "+13175550101,Ann,1\n", NULL, NULL, "Hi Ann", "en", "13175550101"},
    {"a placeholder as a name is left alone when half", PLAIN, HEAD "+13175550101,{{x,true\n", NULL, NULL, "Hi {{x",
     "en", "13175550101"},
    {"a visitor of the web", FOR_WEB, HEAD "v-1,Ann,true\n", NULL, NULL, "Hi Ann", "en", "v-1"},
    {"a page's friend", OUT_FB, HEAD "facebook:1234,Ann,true\n", NULL, NULL, "Hi Ann", "en", "1234"},
    {"markup is no matter here", PLAIN, HEAD "+13175550101,<b>,true\n", NULL, NULL, "Hi <b>", "en", "13175550101"},

    {"no address", PLAIN, HEAD ",Ann,true\n", "to", "address_missing", "no address", NULL, NULL},
    {"letters", PLAIN, HEAD "Ann,Ann,true\n", "to", "address_invalid", "E.164", NULL, NULL},
    {"too short a number", PLAIN, HEAD "+131755,Ann,true\n", "to", "address_invalid", "E.164", NULL, NULL},
    {"too long a number", PLAIN, HEAD "+1317555010123456,Ann,true\n", "to", "address_invalid", "E.164", NULL, NULL},
    {"a national number", PLAIN, HEAD "03175550101,Ann,true\n", "to", "address_invalid", "E.164", NULL, NULL},
    {"blanks in a number", PLAIN, HEAD "+1 317 555 0101,Ann,true\n", "to", "address_invalid", "E.164", NULL, NULL},
    {"another channel's address", PLAIN, HEAD "whatsapp:+13175550101,Ann,true\n", "to", "address_invalid",
     "is one of whatsapp", NULL, NULL},
    {"the column's own name", PLAIN, "address,consentVerified\n,true\n", "address", "address_missing", "", NULL, NULL},
    {"a blank in a visitor's name", OUT_WEB, HEAD "v 1,Ann,true\n", "to", "address_invalid", "blanks", NULL, NULL},

    {"no consent", PLAIN, HEAD "+13175550101,Ann,\n", "consent", "consent_missing", "has not agreed", NULL, NULL},
    {"consent refused", PLAIN, HEAD "+13175550101,Ann,false\n", "consent", "consent_missing", "", NULL, NULL},
    {"consent in doubt", PLAIN, HEAD "+13175550101,Ann,truely\n", "consent", "consent_missing", "", NULL, NULL},
    {"consent as another digit", PLAIN, HEAD "+13175550101,Ann,11\n", "consent", "consent_missing", "", NULL, NULL},
    {"the address is looked at first", PLAIN, HEAD "x,Ann,no\n", "to", "address_invalid", "", NULL, NULL},

    {"a variable without value", FOUR, HEAD_X "+13175550101,,,true\n", "x", "placeholder_unresolved",
     "the text (en) needs it", NULL, NULL},
    {"in the language that would be sent", FOUR, HEAD_X "+34915550101,,,true\n", "x", "placeholder_unresolved", "(es)",
     NULL, NULL},
    {"a placeholder as a value", PLAIN, HEAD "+13175550101,{{name}},true\n", "", "placeholder_unresolved", "", NULL,
     NULL},
    {"too long for an SMS of the tutorial",
     "{\"channel\":\"sms\",\"route\":\"messaging\",\"from\":\"+13175550100\"," TEXT "}",
     HEAD "+13175550101," FIFTY FIFTY FIFTY TEN ",true\n", "", "text_too_long", "163 characters, at most 160", NULL,
     NULL},
    {"one that just fits", "{\"channel\":\"sms\",\"route\":\"messaging\",\"from\":\"+13175550100\"," TEXT "}",
     HEAD "+13175550101," FIFTY FIFTY FIFTY "0123456,true\n", NULL, NULL, "Hi " FIFTY FIFTY FIFTY "0123456", "en",
     "13175550101"},
    {"too many fields", PLAIN, HEAD "+13175550101,Ann,true,x\n", "", "row_malformed", "4 fields", NULL, NULL},
    {"a byte that is no text", PLAIN, HEAD "+13175550101,\xff,true\n", "name", "row_malformed", "UTF-8", NULL, NULL},

    {"the column's language", FOUR, HEAD_X "+13175550101,1,es,true\n", NULL, NULL, "es 1", "es", "13175550101"},
    {"a region that is cut off", FOUR, HEAD_X "+13175550101,1,fr-CA,true\n", NULL, NULL, "fr 1", "fr", "13175550101"},
    {"capitals and underscores", FOUR, HEAD_X "+13175550101,1,PT_br,true\n", NULL, NULL, "br 1", "pt-BR",
     "13175550101"},
    {"a region that is not there", FOUR, HEAD_X "+13175550101,1,pt-PT,true\n", NULL, NULL, "en 1", "en", "13175550101"},
    {"the number's country", FOUR, HEAD_X "+33155550101,1,,true\n", NULL, NULL, "fr 1", "fr", "33155550101"},
    {"the column before the country", FOUR, HEAD_X "+33155550101,1,es,true\n", NULL, NULL, "es 1", "es", "33155550101"},
    {"a country of several languages", FOUR, HEAD_X "+41315550101,1,,true\n", NULL, NULL, "en 1", "en", "41315550101"},
    {"a language that is not there", FOUR, HEAD_X "+33155550101,1,ja,true\n", NULL, NULL, "en 1", "en", "33155550101"},
    {"one that is longer than any", FOUR, HEAD_X "+33155550101,1," FIFTY ",true\n", NULL, NULL, "fr 1", "fr",
     "33155550101"},
};

static void check_row(const struct row_case *c)
{
    struct desk desk = must_open(c->file, c->people, RECIPIENTS_CSV, NULL);
    struct personal personal = {.language = ""};
    struct row_refusal refusal = {"", "", ""};
    int rc = next(&desk, &personal, &refusal);

    if (rc != (c->code ? ERR_INVALID : 0))
        fail_msg("%s: returned %d (%s: %s)", c->about, rc, refusal.code, refusal.text);
    if (c->code && (strcmp(refusal.code, c->code) != 0 || strcmp(refusal.column, c->column) != 0 ||
                    !strstr(refusal.text, c->text)))
        fail_msg("%s: refused with column '%s', code '%s', '%s'", c->about, refusal.column, refusal.code, refusal.text);
    if (!c->code && (!span_is(personal.text, c->text) || strcmp(personal.language, c->language) != 0 ||
                     !span_is(personal.content.to, c->to)))
        fail_msg("%s: '%.*s' in %s to %.*s", c->about, (int)personal.text.len, personal.text.data, personal.language,
                 (int)personal.content.to.len, personal.content.to.data);
    close_desk(&desk);
}

static void a_row_becomes_a_message_or_is_refused_with_column_and_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(row_cases); i++)
        check_row(&row_cases[i]);
}

static void lines_of_JSON_may_each_have_other_members(void **state)
{
    static const char people[] = "{\"consent\":true,\"to\":\"+13175550101\"}\n"
                                 "{\"name\":\"Bob\",\"to\":\"+13175550102\",\"consent\":true}\n"
                                 "{\"to\":\"+13175550103\",\"order\":7}\n"
                                 "{\"order\":7,\"consent\":true,\"to\":\"+13175550104\",\"name\":null}\n"
                                 "{\"name\":1.50,\"consent\":\"yes\",\"to\":13175550105}\n"
                                 "{\"x\":{}}\n";
    static const char *const texts[] = {"Hi friend", "Hi Bob", NULL, "Hi friend", "Hi 1.50", NULL};
    static const char *const codes[] = {NULL, NULL, "consent_missing", NULL, NULL, "row_malformed"};
    struct desk desk = must_open(PLAIN, people, RECIPIENTS_JSONL, NULL);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct personal personal = {.language = ""};
        struct row_refusal refusal = {"", "", ""};
        int rc = next(&desk, &personal, &refusal);

        if (codes[i] ? rc == 0 || strcmp(refusal.code, codes[i]) != 0 : rc != 0 || !span_is(personal.text, texts[i]))
            fail_msg("line %zu: returned %d, '%.*s', code '%s'", i + 1, rc, (int)personal.text.len,
                     personal.text.data ? personal.text.data : "", refusal.code);
    }
    close_desk(&desk);
}

static void an_approved_template_gets_its_parameters_in_the_persons_words(void **state)
{
    static const char file[] = "{\"channel\":\"whatsapp\",\"from\":\"i\",\"responseId\":\"r\","
                               "\"bodyParameters\":[\"{{greeting}} {{name|}}\",\"{{date}}\"]}";
    static const char people[] =
        "to,name,date,consent,language\n"
        "+34915550101,Ann,May 1,true,\n+13175550101,,May 2,true,fr-CA\n+13175550101,Bob,,true,\n";
    struct desk desk = must_open(file, people, RECIPIENTS_CSV, NULL);
    struct personal personal;
    struct row_refusal refusal;

    (void)state;
    assert_int_equal(next(&desk, &personal, &refusal), 0);
    assert_null(personal.text.data);
    assert_int_equal(personal.content.parameter_count, 2);
    assert_true(span_is(personal.content.parameters[0], "Hola Ann"));
    assert_true(span_is(personal.content.parameters[1], "May 1"));
    assert_int_equal(next(&desk, &personal, &refusal), 0);
    assert_true(span_is(personal.content.parameters[0], "Bonjour "));
    assert_int_equal(next(&desk, &personal, &refusal), ERR_INVALID);
    assert_string_equal(refusal.code, "placeholder_unresolved");
    assert_string_equal(refusal.column, "date");
    close_desk(&desk);
}

/* --- keys and envelopes --- */

static void one_address_has_one_key_however_it_is_written(void **state)
{
    static const char people[] = HEAD "+13175550101,Ann,true\n13175550101,Bob,1\nsms:+13175550101,Cy,yes\n"
                                      "+13175550102,Ann,true\n";
    struct desk desk = must_open(PLAIN, people, RECIPIENTS_CSV, NULL);
    uint8_t other[STORE_KEY_SIZE];
    struct personal personal[4];
    struct row_refusal refusal;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(personal); i++)
        assert_int_equal(next(&desk, &personal[i], &refusal), 0);
    assert_memory_equal(personal[0].key, personal[1].key, STORE_KEY_SIZE);
    assert_memory_equal(personal[0].key, personal[2].key, STORE_KEY_SIZE);
    assert_memory_not_equal(personal[0].key, personal[3].key, STORE_KEY_SIZE);
    store_key_of("spring", span_of("13175550101"), other);
    assert_memory_equal(personal[0].key, other, STORE_KEY_SIZE);
    store_key_of("autumn", span_of("13175550101"), other);
    assert_memory_not_equal(personal[0].key, other, STORE_KEY_SIZE);
    close_desk(&desk);
}

static void a_key_column_tells_messages_of_one_address_apart(void **state)
{
    static const char people[] = "to,order,consent\n+13175550101,A,true\n+13175550101,B,true\n+13175550102,A,true\n"
                                 "+13175550101,,true\n";
    struct desk desk = must_open(PLAIN, people, RECIPIENTS_CSV, "order");
    struct personal personal[3];
    struct row_refusal refusal;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(personal); i++)
        assert_int_equal(next(&desk, &personal[i], &refusal), 0);
    assert_memory_not_equal(personal[0].key, personal[1].key, STORE_KEY_SIZE);
    assert_memory_equal(personal[0].key, personal[2].key, STORE_KEY_SIZE);
    assert_int_equal(next(&desk, &personal[0], &refusal), ERR_INVALID);
    assert_string_equal(refusal.code, "key_missing");
    assert_string_equal(refusal.column, "order");
    close_desk(&desk);
}

static void a_JSON_line_without_the_key_is_refused(void **state)
{
    static const char people[] = "{\"to\":\"+13175550101\",\"consent\":true}\n"
                                 "{\"to\":\"+13175550101\",\"consent\":true,\"order\":7}\n";
    struct desk desk = must_open(PLAIN, people, RECIPIENTS_JSONL, "order");
    struct personal personal;
    struct row_refusal refusal;

    (void)state;
    assert_int_equal(next(&desk, &personal, &refusal), ERR_INVALID);
    assert_string_equal(refusal.code, "key_missing");
    assert_int_equal(next(&desk, &personal, &refusal), 0);
    close_desk(&desk);
}

/* Whatever campaign it is, a worker takes what is written for it. */
static void every_envelope_that_is_written_can_be_read(void **state)
{
    static const char people[] =
        "to,name,consent\n+13175550101,\"\xe2\x82\xac \"\"\\ \xf0\x9f\x8e\x89\x7f\x01\",true\n";
    const struct envelope_rules rules = {.origins = "genesys.cloud,example.com"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(create_cases) && !create_cases[i].reason; i++) {
        const struct create_case *c = &create_cases[i];
        struct template *t = must_parse(c->file);
        struct desk desk = {t, NULL, NULL};
        struct personaliser_config config = config_of(t);
        struct reason why = {""};
        struct personal personal;
        struct row_refusal refused;
        struct refusal refusal;
        struct envelope envelope;
        struct buf out;

        config.from = c->from;
        config.route = c->route;
        config.send_at_ms = NOW_MS + 1000;
        assert_int_equal(personaliser_create(&desk.personaliser, &config, &why), 0);
        assert_int_equal(recipients_open_memory(&desk.source, people, strlen(people), 0, RECIPIENTS_CSV, &why), 0);
        assert_int_equal(personaliser_bind(desk.personaliser, desk.source, &why), 0);
        if (next(&desk, &personal, &refused) != 0)
            fail_msg("%s: %s: %s", c->about, refused.code, refused.text);
        buf_init(&out, JSON_MAX_BYTES);
        personaliser_write(desk.personaliser, &personal, &out);
        if (envelope_read(&envelope, buf_str(&out), out.len, &rules, NOW_MS, &refusal) != 0)
            fail_msg("%s: %s: %s in %s", c->about, refusal.field, refusal.text, buf_str(&out));
        assert_string_equal(envelope.campaign, "spring");
        assert_int_equal(envelope.priority, personaliser_priority(desk.personaliser));
        assert_int_equal(envelope.content.channel, personaliser_channel(desk.personaliser));
        assert_int_equal(envelope.send_at_ms, NOW_MS + 1000);
        assert_int_equal(envelope.progress.accepted_at_ms, NOW_MS);
        if (template_field(t, TEMPLATE_EXPIRES_AFTER))
            assert_int_equal(envelope.expires_at_ms, NOW_MS + 1000 + 90 * 60 * 1000);
        if (personal.text.data)
            assert_true(envelope.content.text.len == personal.text.len &&
                        memcmp(envelope.content.text.data, personal.text.data, personal.text.len) == 0);
        envelope_clear(&envelope);
        buf_clear(&out);
        close_desk(&desk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_is_checked_before_the_first_row),
        cmocka_unit_test(labels_have_a_largest_size),
        cmocka_unit_test(columns_are_bound_or_the_missing_one_is_named),
        cmocka_unit_test(a_row_becomes_a_message_or_is_refused_with_column_and_code),
        cmocka_unit_test(lines_of_JSON_may_each_have_other_members),
        cmocka_unit_test(an_approved_template_gets_its_parameters_in_the_persons_words),
        cmocka_unit_test(one_address_has_one_key_however_it_is_written),
        cmocka_unit_test(a_key_column_tells_messages_of_one_address_apart),
        cmocka_unit_test(a_JSON_line_without_the_key_is_refused),
        cmocka_unit_test(every_envelope_that_is_written_can_be_read),
    };

    return cmocka_run_group_tests_name("personalise", tests, NULL, NULL);
}
