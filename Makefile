# Herald. `make help` lists the targets; everything is built under build/ (sanitizer builds under build/san-*).

SAN      ?=
MODE     ?= release
CC       := $(if $(filter default,$(origin CC)),gcc,$(CC))
V        ?=
Q        := $(if $(V),,@)
PREFIX   ?= /usr/local
DESTDIR  ?=
VERSION  := 0.1.0
PKGS     := hiredis libcurl json-c libmicrohttpd libcrypto inih

empty :=
comma := ,
BUILD := $(if $(SAN),build/san-$(subst $(comma),-,$(SAN)),build)

WARN := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wformat=2 -Wshadow \
        -Wpointer-arith -Wcast-qual -Wundef -Wvla
HARD := -fstack-protector-strong -fstack-clash-protection -fPIE
CPPFLAGS += -D_GNU_SOURCE -DHERALD_VERSION='"$(VERSION)"' -I. $(shell pkg-config --cflags $(PKGS))
CFLAGS   += -std=c11 -g $(WARN) $(HARD) -pthread -MMD -MP
LDFLAGS  += -pie -Wl,-z,relro,-z,now -pthread
LDLIBS   += $(shell pkg-config --libs $(PKGS)) -lcsv -lm
ifeq ($(SAN),)
CPPFLAGS += -D_FORTIFY_SOURCE=2
CFLAGS   += -O2
else
CFLAGS   += -O1 -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all
LDFLAGS  += -fsanitize=$(SAN)
endif

objects  = $(patsubst %.c,$(BUILD)/%.o,$(1))
COMMON   := $(wildcard common/*.c)
PRODUCER := $(filter-out producer/main.c,$(wildcard producer/*.c))
GATEWAY  := $(filter-out producer/gateway/main.c,$(wildcard producer/gateway/*.c))
WORKER   := $(filter-out worker/main.c,$(wildcard worker/*.c))
SANDBOX  := $(wildcard tests/sandbox/*.c)
LUA_HEAD := common/lua/prelude.lua $(wildcard common/lua/parts/*.lua)
LUA      := $(filter-out common/lua/prelude.lua,$(wildcard common/lua/*.lua))
TESTS    := $(wildcard tests/unit/test_*.c tests/integration/test_*.c)
HELPERS  := $(wildcard tests/lib/*.c)
SOURCES  := $(wildcard common/*.[ch] producer/*.[ch] producer/gateway/*.[ch] worker/*.[ch] tests/*/*.[ch])

PROGRAMS := $(BUILD)/herald $(BUILD)/herald-gateway $(BUILD)/herald-worker $(BUILD)/herald-sandbox
TEST_BIN := $(patsubst %.c,$(BUILD)/%,$(TESTS))

.PHONY: all yardsticks bench tests check format format-check tidy cppcheck fuzz install clean help
.SECONDARY:

all: $(PROGRAMS) ## build herald, herald-gateway, herald-worker and herald-sandbox (the default)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(if $(V),,@echo '  CC    $@')
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$(BUILD)/libcommon.a: $(call objects,$(COMMON)) $(BUILD)/gen/lua_scripts.o
$(BUILD)/libproducer.a: $(call objects,$(PRODUCER))
$(BUILD)/libgateway.a: $(call objects,$(GATEWAY))
$(BUILD)/libworker.a: $(call objects,$(WORKER))
$(BUILD)/libtest.a: $(call objects,$(HELPERS))
$(BUILD)/%.a:
	@rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/gen/lua_scripts.c: common/lua/embed.awk $(LUA_HEAD) $(LUA)
	@mkdir -p $(@D)
	$(Q)awk -f common/lua/embed.awk $(LUA_HEAD) $(LUA) >$@.tmp && mv $@.tmp $@

$(BUILD)/gen/lua_scripts.o: $(BUILD)/gen/lua_scripts.c
	$(if $(V),,@echo '  CC    $@')
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$(BUILD)/herald: $(BUILD)/producer/main.o $(BUILD)/libproducer.a $(BUILD)/libgateway.a $(BUILD)/libcommon.a
$(BUILD)/herald-gateway: $(BUILD)/producer/gateway/main.o $(BUILD)/libgateway.a $(BUILD)/libproducer.a $(BUILD)/libcommon.a
$(BUILD)/herald-worker: $(BUILD)/worker/main.o $(BUILD)/libworker.a $(BUILD)/libcommon.a
$(BUILD)/herald-sandbox: $(call objects,$(SANDBOX))
$(PROGRAMS):
	$(if $(V),,@echo '  LINK  $@')
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LDLIBS)

$(TEST_BIN): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(BUILD)/libtest.a $(BUILD)/libgateway.a $(BUILD)/libproducer.a $(BUILD)/libworker.a $(BUILD)/libcommon.a
	$(if $(V),,@echo '  LINK  $@')
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ -lcmocka $(LDLIBS)

YARDSTICKS := $(BUILD)/tests/bench/bare_http $(BUILD)/tests/bench/bare_curl
$(YARDSTICKS): $(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o
	$(if $(V),,@echo '  LINK  $@')
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LDLIBS)

yardsticks: $(YARDSTICKS) ## build what scripts/bench measures against

bench: ## measure every row of docs/performance.md (scripts/bench --help)
	scripts/bench

tests: all $(TEST_BIN) ## build all the programs and all the test programs

check: tests ## build and run all tests (SAN=address,undefined or SAN=thread for a sanitizer build)
	HERALD_BUILD=$(BUILD) tests/run

# Suites in which more than one thread of ours runs: those of the worker and of the gateway, and tests that start threads.
THREADED := unit/test_log unit/test_metrics integration/test_dead
THREADED_E2E := $(addprefix e2e/test_,admin callbacks clock demo gateway last_look leases logs poll_status trace worker)

check-threads: all $(addprefix $(BUILD)/tests/,$(THREADED)) ## run the suites with threads alone (what SAN=thread is for)
	HERALD_BUILD=$(BUILD) tests/run $(THREADED) $(THREADED_E2E) chaos

format: ## rewrite the sources to the house format
	clang-format -i $(SOURCES)

format-check: ## fail if a source is not in the house format
	clang-format --dry-run --Werror $(SOURCES)

tidy: $(BUILD)/gen/lua_scripts.c ## clang-tidy over all programs
	printf '%s\n' $(COMMON) $(wildcard producer/*.c producer/gateway/*.c worker/*.c) $(SANDBOX) | \
	  xargs -P 2 -n 6 sh -c 'clang-tidy --quiet "$$@" -- -std=c11 $(subst ','"'"',$(CPPFLAGS)) ' tidy

cppcheck: ## static analysis
	cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr --enable=warning,performance,portability \
	  --suppress=missingIncludeSystem -D_GNU_SOURCE -DHERALD_VERSION='""' -I. -j 2 common producer worker tests/sandbox

FUZZERS := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 10
FUZZ_FLAGS := -std=c11 -g -O1 -pthread -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_OBJECTS := $(patsubst %.c,build/fuzz/obj/%.o,$(COMMON) $(PRODUCER) $(GATEWAY) $(WORKER) tests/lib/json_twin.c $(BUILD)/gen/lua_scripts.c)
build/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	$(if $(V),,@echo '  CC    $@')
	$(Q)clang $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c $< -o $@

build/fuzz/%: build/fuzz/obj/tests/fuzz/%.o $(FUZZ_OBJECTS)
	$(if $(V),,@echo '  LINK  $@')
	$(Q)clang $(FUZZ_FLAGS) -fsanitize=fuzzer $^ -o $@ $(LDLIBS)

fuzz: $(FUZZERS) ## run every fuzzer over its corpus for FUZZ_SECONDS each
	for f in $(FUZZERS); do mkdir -p $$f.found && \
	  $$f -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -timeout=10 -print_final_stats=0 $$f.found tests/fuzz/corpus/$$(basename $$f | sed s/fuzz_//) || exit 1; done

install: all ## install the programs under DESTDIR/PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/doc/herald
	install -m 755 $(BUILD)/herald $(BUILD)/herald-gateway $(BUILD)/herald-worker $(DESTDIR)$(PREFIX)/bin/
	install -m 644 README.md docs/*.md docs/*.json $(DESTDIR)$(PREFIX)/share/doc/herald/

clean: ## remove everything that was built
	rm -rf build

help: ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 16

-include $(shell find build -name '*.d' 2>/dev/null)
