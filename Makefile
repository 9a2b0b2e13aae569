# Chapters, samples, programs and tests are found, not listed: a new file
# chapters/NN-topic/NAME.c has its targets at once, and so has a new sample,
# samples/NAME/NAME.c. Other C files beside a sample's are parts of it. In a
# chapter, a file with a header NAME.h is a part of the programs that name it in
# their "Build:" line.

SAMPLES  := $(foreach d,$(wildcard samples/*),$(wildcard $(d)/$(notdir $(d)).c))
SHARED   := $(patsubst %.h,%.c,$(wildcard chapters/[0-9][0-9]-*/*.h))
SOURCES  := $(sort $(filter-out $(SHARED),\
	$(wildcard chapters/[0-9][0-9]-*/*.c)) $(SAMPLES))
# liburing is for Linux only, and for a program of chapter 17 only: without it, that
# program is left out.
LEFT_OUT := $(shell $(or $(PKG_CONFIG),pkg-config) --exists liburing 2>/dev/null || \
	grep -l '^ \* Build:.* -luring' $(SOURCES) /dev/null)
SOURCES  := $(filter-out $(LEFT_OUT),$(SOURCES))
PROGRAMS := $(basename $(notdir $(SOURCES)))
CHAPTERS := $(sort $(foreach d,$(wildcard chapters/[0-9][0-9]-*),\
	$(firstword $(subst -, ,$(notdir $(d))))))

# Yours to set: CC, CFLAGS, CPPFLAGS, LDFLAGS, LDLIBS, BUILD, PKG_CONFIG.
BUILD      ?= build
CFLAGS     ?= -O2 -g
PKG_CONFIG ?= pkg-config
export BUILD

# Ours, whatever yours are. The libraries of a program stand in the "Build:"
# line of its header comment, which is what a reader types who has that file
# alone.
OUR_CFLAGS = -std=gnu11 -Wall -Wextra -Wpedantic -Wshadow \
	-Wno-unused-parameter $(shell $(PKG_CONFIG) --cflags libevent)
OUR_LDFLAGS = $(shell $(PKG_CONFIG) --libs-only-L libevent)
PARTS     = $(filter %.c,$^)
INCLUDES  = $(patsubst %/,-I%,$(filter-out $(dir $<),$(sort $(dir $(PARTS)))))
LIBRARIES = $(shell scripts/lib/build-line --libraries $<)
SANITIZE  = -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer

# Chapter 17's reactor, a library in place of libevent's.
REACTOR   := $(wildcard chapters/17-reactor/*/*.[ch])

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SUFFIXES:

vpath %.c $(sort $(dir $(SOURCES)))

all: $(PROGRAMS) $(if $(REACTOR),reactor) ## build all programs (also: make)

help: ## this list
	@scripts/help '$(MAKEFILE_LIST)' $(SOURCES)

# make echo-server builds build/echo-server; make 03 builds the chapter's.
$(PROGRAMS): %: $(BUILD)/%

$(BUILD)/%: %.c Makefile | ready
	@mkdir -p $(@D)
	$(CC) $(OUR_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(INCLUDES) -o $@ $(PARTS) \
		$(LDFLAGS) $(OUR_LDFLAGS) $(LIBRARIES) $(LDLIBS)

$(foreach s,$(SAMPLES),$(eval $(BUILD)/$(basename $(notdir $(s))): \
	$(wildcard $(dir $(s))*.[ch])))
$(foreach p,$(SHARED),$(foreach s,$(shell grep -lF $(notdir $(p)) $(SOURCES)),\
	$(eval $(BUILD)/$(basename $(notdir $(s))): $(p) $(p:.c=.h))))

reactor: $(BUILD)/libreactor.a ## the library of chapter 17

$(BUILD)/libreactor.a: $(REACTOR) scripts/lib/archive Makefile | ready
	@scripts/lib/archive $@ $(CC) $(OUR_CFLAGS) -D_GNU_SOURCE $(CPPFLAGS) $(CFLAGS) \
		$(filter %.c,$(REACTOR))

$(basename $(notdir $(LEFT_OUT))): # a phony target: it has no prerequisite
	$(error $@ needs liburing: run ./scripts/setup)

# Not a file: what the build needs is looked for each time, since a missing
# package is better reported by its name than by the compiler.
MISSING = $(shell found=$$(scripts/setup --check build 2>&1) || echo "$$found")
ready:
	@$(if $(MISSING),$(error $(MISSING)))

# For each chapter NN: make NN, make demo-NN, make test-NN.
define chapter
$(1): $(basename $(notdir $(filter chapters/$(1)-%,$(SOURCES))))
demo-$(1): $(1)
	@scripts/demo $(1)
test-$(1): $(1)
	@scripts/test tests/$(1)-*.bats
.PHONY: $(1) demo-$(1) test-$(1)
endef
$(foreach c,$(CHAPTERS),$(eval $(call chapter,$(c))))

# For each program: make NAME, make demo-NAME.
$(PROGRAMS:%=demo-%): demo-%: %
	@scripts/demo $*

demo: all ## run the programs and show both sides (SPEED=0: no pauses)
	@scripts/demo all

test: all $(if $(filter reactor,$(EVENT)),reactor) ## run the tests (EVENT=reactor: of chapters 1-11, with chapter 17's library)
	@scripts/$(if $(filter reactor,$(EVENT)),test-with-reactor,test)

certificates: ## an authority and certificates for chapter 14, right and wrong ones
	@scripts/certificates

asan: ## build all with the address and undefined-behaviour sanitizers
	@$(MAKE) BUILD=$(BUILD)/asan CFLAGS='$(SANITIZE)' all

test-asan: asan ## run the programs' tests on the sanitizer build
	@BUILD=$(BUILD)/asan scripts/test --programs

test-valgrind: all ## run the programs' tests under valgrind (QUICK=1: some)
	@UNDER=valgrind scripts/test $(if $(QUICK),--part 1/2,--programs)

test-failures: all ## let each allocation of the servers and clients fail in turn
	@tests/lib/sweep --jobs=$(or $(JOBS),2)

# The samples' tests have 1,000 clients: select(2) is not made for so many.
test-backends: all ## run the programs' tests on poll and on select
	@status=0; \
	EVENT_NOEPOLL=1 scripts/test --programs || status=1; \
	EVENT_NOEPOLL=1 EVENT_NOPOLL=1 scripts/test --chapters || status=1; \
	exit $$status

# Both at once, in the time of one: a third of the chapters on each back end.
test-short: asan ## the sanitizer build, each chapter on a back end of its own
	@status=0; export BUILD=$(BUILD)/asan; \
	scripts/test --samples || status=1; \
	scripts/test --part 1/3 || status=1; \
	EVENT_NOEPOLL=1 scripts/test --part 2/3 || status=1; \
	EVENT_NOEPOLL=1 EVENT_NOPOLL=1 scripts/test --part 3/3 || status=1; \
	exit $$status

labs: ## the labs, and what you have reached in them
	@scripts/labs/lab list

lab-%: ## lab-03-shared-event, or lab-03: put the starter there, build, check
	@scripts/labs/lab run $*

hint-%: ## the next hint of a lab
	@scripts/labs/lab hint $*

watch-%: ## run a lab again at each save
	@scripts/labs/lab watch $*

compare-%: ## once a lab is passed: your file beside the solution
	@scripts/labs/lab compare $*

reset-%: ## keep your file of a lab, and put the starter back
	@scripts/labs/lab reset $*

bench: ## how fast the servers are, as ratios (QUICK=1: about a minute)
	@scripts/bench $(ROWS)

bench-reactor: reactor ## what events and timers cost: libevent, chapter 17's library, libev, libuv
	@scripts/bench-reactor $(ROWS)

fuzz: ## let libFuzzer search for input that breaks a program (SECONDS=30)
	@SECONDS_EACH=$(or $(SECONDS),30) scripts/fuzz $(TARGETS)

soak: all ## hardened-server for ten minutes under all it is made for (SECONDS=600)
	@scripts/soak --seconds=$(or $(SECONDS),600)

latency: ## how long an urgent client waits (chapter 11), as a plot
	@scripts/latency

backends: ## what an event costs on each back end (chapter 15), as a plot
	@scripts/backends

lint: ## clang-format, cppcheck, shellcheck and shfmt
	@scripts/lint

api-coverage: ## how much of libevent's API the programs show
	@scripts/text/api-coverage

install-libevent: ## PREFIX=dir [ARCHIVE=file]: build libevent from source
	@scripts/install-libevent $(PREFIX) $(ARCHIVE)

compile_commands.json: Makefile $(SOURCES) ## for editors and clangd
	@scripts/compile-commands '$(CC) $(OUR_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(addprefix -I,$(sort $(dir $(SHARED))))' \
		$(sort $(SOURCES) $(wildcard samples/*/*.c)) >$@

clean: ## remove build/
	rm -rf $(BUILD) compile_commands.json

# Targets for teachers and maintainers, which a student's copy lacks.
include $(wildcard scripts/labs/teacher/teaching.mk)

.DEFAULT:
	@echo "make: no target '$@'. Chapters: $(CHAPTERS). Programs:" \
		"$(PROGRAMS). All targets: make help" >&2; exit 2

.PHONY: all help ready reactor demo test certificates asan test-asan test-valgrind test-backends test-short \
	test-failures labs bench bench-reactor latency backends fuzz lint api-coverage install-libevent clean \
	$(PROGRAMS) $(PROGRAMS:%=demo-%)
