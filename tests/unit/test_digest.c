/* Hashes and base64 by their published vectors. */
#include "common/digest.h"

#include <string.h>

#include "common/base64.h"
#include "tests/unit/unit.h"

struct hash_case {
    const char *text;
    const char *sha256, *sha1;
};

/* FIPS 180-4's examples. */
static const struct hash_case hash_cases[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
     "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
     "a9993e364706816aba3e25717850c26c9cd0d89d"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1", "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
};

static void hashes_are_those_of_the_standard(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(hash_cases); i++) {
        char sha256[DIGEST_HEX_SIZE], sha1[DIGEST_SHA1_HEX];
        size_t len = strlen(hash_cases[i].text);

        digest_sha256_hex(hash_cases[i].text, len, sha256);
        digest_sha1_hex(hash_cases[i].text, len, sha1);
        assert_string_equal(sha256, hash_cases[i].sha256);
        assert_string_equal(sha1, hash_cases[i].sha1);
    }
}

static void parts_are_hashed_as_if_they_were_one_text(void **state)
{
    const struct span parts[] = {{"a", 1}, {NULL, 0}, {"", 0}, {"bcx", 2}};
    uint8_t whole[DIGEST_SIZE], of_parts[DIGEST_SIZE];

    (void)state;
    digest_sha256("abc", 3, whole);
    digest_sha256_parts(parts, COUNT_OF(parts), of_parts);
    assert_memory_equal(of_parts, whole, sizeof(whole));
    digest_sha256("", 0, whole);
    digest_sha256_parts(NULL, 0, of_parts);
    assert_memory_equal(of_parts, whole, sizeof(whole));
}

static void the_short_hash_is_the_beginning_of_the_long_one(void **state)
{
    uint8_t bytes[DIGEST_SIZE];
    uint64_t hash = digest_hash64("abc", 3);

    (void)state;
    digest_sha256("abc", 3, bytes);
    assert_int_equal(bytes[0], 0xba);
    assert_int_equal(bytes[31], 0xad);
    assert_memory_equal(&hash, bytes, sizeof(hash));
    assert_true(digest_hash64("abd", 3) != hash);
}

struct hmac_case {
    char key_byte; /* repeated key_len times; 0: the key is 1, 2, 3 ... */
    size_t key_len;
    const char *key, *data;
    const char *mac;
};

/* RFC 4231, test cases 1 to 4, 6 and 7 (5 is about a cut one). */
static const struct hmac_case hmac_cases[] = {
    {0x0b, 20, NULL, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {0, 0, "Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {(char)0xaa, 20, NULL,
     "\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd"
     "\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd",
     "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {0, 25, NULL,
     "\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd"
     "\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd",
     "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    {(char)0xaa, 131, NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {(char)0xaa, 131, NULL,
     "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed "
     "before being used by the HMAC algorithm.",
     "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
};

static void macs_are_those_of_the_rfc(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(hmac_cases); i++) {
        const struct hmac_case *row = &hmac_cases[i];
        size_t key_len = row->key ? strlen(row->key) : row->key_len;
        uint8_t mac[DIGEST_SIZE], expected[DIGEST_SIZE];
        char key[131];

        for (size_t at = 0; at < key_len; at++)
            key[at] = row->key ? row->key[at] : row->key_byte ? row->key_byte : (char)(at + 1);
        assert_true(digest_from_hex(row->mac, strlen(row->mac), expected));
        digest_hmac_sha256(key, key_len, row->data, strlen(row->data), mac);
        assert_memory_equal(mac, expected, DIGEST_SIZE);
    }
}

struct base64_case {
    const char *bytes;
    size_t len;
    const char *base64;
};

/* RFC 4648, section 10, and bytes that need the last two letters of the alphabet. */
static const struct base64_case base64_cases[] = {
    {"", 0, ""},
    {"f", 1, "Zg=="},
    {"fo", 2, "Zm8="},
    {"foo", 3, "Zm9v"},
    {"foob", 4, "Zm9vYg=="},
    {"fooba", 5, "Zm9vYmE="},
    {"foobar", 6, "Zm9vYmFy"},
    {"\0\0\0", 3, "AAAA"},
    {"\xfb\xff\xbf", 3, "+/+/"},
    {"\xff\xfe", 2, "//4="},
};

static void base64_is_that_of_the_rfc(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(base64_cases); i++) {
        struct buf buf;

        buf_init(&buf, 100);
        base64_add(&buf, base64_cases[i].bytes, base64_cases[i].len);
        assert_string_equal(buf_str(&buf), base64_cases[i].base64);
        buf_reset(&buf);
        assert_true(base64_decode(&buf, base64_cases[i].base64, strlen(base64_cases[i].base64)));
        assert_int_equal(buf.len, base64_cases[i].len);
        assert_memory_equal(buf_str(&buf), base64_cases[i].bytes, buf.len);
        buf_clear(&buf);
    }
}

static void base64_of_many_bytes_is_padded_only_at_the_end(void **state)
{
    char bytes[200];

    (void)state;
    memset(bytes, 'a', sizeof(bytes));
    for (size_t len = 1; len <= sizeof(bytes); len++) {
        struct buf buf, back;

        buf_init(&buf, 1000);
        base64_add(&buf, bytes, len);
        assert_int_equal(buf.len, (len + 2) / 3 * 4);
        assert_int_equal(strcspn(buf_str(&buf), "="), buf.len - (3 - len % 3) % 3);
        buf_init(&back, sizeof(bytes));
        assert_true(base64_decode(&back, buf.data, buf.len));
        assert_int_equal(back.len, len);
        assert_memory_equal(back.data, bytes, len);
        buf_clear(&back);
        buf_clear(&buf);
    }
}

static void what_is_no_base64_is_refused(void **state)
{
    static const char *const bad[] = {
        "Z", "Zg", "Zg=", "=", "====", "Z===", "Zg==Zg==", " Zg==", "Zg==\n", "Zm8-", "Zm_v"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct buf buf;

        buf_init(&buf, 100);
        if (base64_decode(&buf, bad[i], strlen(bad[i])) || buf.len > 0)
            fail_msg("%s was taken", bad[i]);
        buf_clear(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_those_of_the_standard),
        cmocka_unit_test(parts_are_hashed_as_if_they_were_one_text),
        cmocka_unit_test(the_short_hash_is_the_beginning_of_the_long_one),
        cmocka_unit_test(macs_are_those_of_the_rfc),
        cmocka_unit_test(base64_is_that_of_the_rfc),
        cmocka_unit_test(base64_of_many_bytes_is_padded_only_at_the_end),
        cmocka_unit_test(what_is_no_base64_is_refused),
    };

    return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
