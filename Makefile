# The two commands of the README are `make demo` and `make test`; everything they need is installed on the way.
SHELL := /bin/sh
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

.PHONY: help setup native calicoctl lint test bench demo clean

help:
	@echo 'make demo [KEEP=1]   three nodes, six pods, real packets; KEEP=1 leaves it running'
	@echo '     [STORE=etcd]     on an etcd that is killed and started again in the middle'
	@echo 'make test            all tests; TIER=unit|kernel|cluster or FILES="..." for some;'
	@echo '                     STORE=embedded|etcd for one of the datastores that cluster tests run on'
	@echo 'make lint            types, linter, formatter'
	@echo 'make bench           all measurements; NAME="cni routes" for some'
	@echo 'make native          the C parts only'
	@echo 'make calicoctl       calicoctl in few files, which starts in half the time'
	@echo 'make clean           removes everything that was built or installed here'

# npm's lock file decides what is installed; the stamp makes a second run free.
node_modules/.installed: package.json package-lock.json .npmrc
	@./scripts/prerequisites.sh
	@echo 'installing npm packages'
	@npm ci --no-progress --loglevel=error
	@# An old Node.js leaves out optional packages that ask for a newer one; the one just installed is new enough.
	@NODE_NO_WARNINGS=1 npm install --no-save --no-progress --loglevel=error
	@touch $@

setup: node_modules/.installed
	@./scripts/prerequisites.sh

native: setup
	@$(MAKE) --no-print-directory -C native

# From the sources it works as well: bin/calicoctl takes them where this is older.
build/calicoctl/main.js: node_modules/.installed $(shell find src -name '*.ts' -o -type d)
	@echo 'bundling calicoctl'
	@NODE_NO_WARNINGS=1 npm run --silent bundle

calicoctl: setup build/calicoctl/main.js

lint: setup
	@npm run --silent check

test: native calicoctl
	@node test/run.ts $(if $(TIER),--tier $(TIER)) $(FILES)

bench: native calicoctl
	@node bench/run.ts $(NAME)

demo: native calicoctl
	@KEEP=$(KEEP) STORE=$(STORE) node test/lab/demo.ts

clean:
	rm -rf node_modules native/build build dist
