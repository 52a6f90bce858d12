# A thin layer over meson and ninja. `make up` is all that a newcomer needs.
BUILD ?= build
DATA ?= ./data
ARGS ?=
T ?=
F ?=
SECONDS ?= 30
PREFIX ?= /usr
PROVIDER ?=
NINJA = ninja -C $(BUILD)

.PHONY: up may-start build test test-clients test-revocation test-cluster test-balanced test-upgrade test-agreement screenshots test-terraform test-kubernetes asan fuzz bench format clean install packages test-packages containers

# Builds the program alone: no test, no benchmark. crun, skopeo, umoci and slirp4netns are not for --engine=process.
up: may-start
	@packaging/install.sh build run
	@case "$(ARGS)" in *--engine=process*) sections=console;; *) sections="console containers";; esac; \
	    packaging/up.sh $(BUILD) $$sections
	@echo "Starting Homerun with its data in $(DATA)."
	@exec $(BUILD)/homerun up --data $(DATA) $(ARGS)

# Who cannot start what they ask for hears it before anything is built.
may-start:
	@case "$(ARGS)" in *--engine*|*--config*) ;; *) [ "$$(id -u)" = 0 ] || \
	    grep -qsE "^($$(id -un)|$$(id -u)):" /etc/subuid || { \
	    echo "Homerun runs each service in a container, which takes root, or users of your own in /etc/subuid"; \
	    echo "(docs/containers.md#without-root). As root (sudo -s): make up"; \
	    echo "As yourself: make up ARGS=--engine=process  (plain programs, without walls)"; exit 1; };; esac

packages:
	@packaging/install.sh build run console

# What the console is made of; and with what its tests need besides.
console/node_modules/esbuild: console/package-lock.json
	@packaging/modules.sh --omit=dev

console/node_modules/typescript: console/package-lock.json
	@packaging/modules.sh

# crun, skopeo, umoci and slirp4netns; not for --engine=process.
containers:
	@packaging/install.sh containers

test-packages: packages
	@packaging/install.sh test containers containers-test

build: packages console/node_modules/typescript $(BUILD)/build.ninja
	@$(NINJA) --quiet

$(BUILD)/build.ninja: | console/node_modules/typescript
	@echo "Configuring the build in $(BUILD)."
	@meson setup $(BUILD) >/dev/null || { meson setup $(BUILD); exit 1; }

# make test T=gate: only what has "gate" in its name.
test: test-packages build
	@tests/run.py --build $(BUILD) $(if $(T),--only "$(T)")

# Google's libraries for Node, Python, Go and Java; the last two are fetched only here, and then run
# with every `make test`.
test-clients: test-packages build
	@HOMERUN_TEST_CLIENTS=1 tests/run.py --build $(BUILD) --only clients_

# The long form of the revocation test: 10^6 requests against 10^3 changes of access.
test-revocation: test-packages build
	@REVOCATION=full HOMERUN=$(BUILD)/homerun tests/robustness/revocation.py

# Three nodes, each in a network namespace, on one PostgreSQL with its standby, under load: 10^6 requests, while nodes,
# links, clocks and servers are struck (10 minutes). Then the same with pods that the nodes share (6 minutes).
test-cluster: test-packages build
	@CLUSTER=full HOMERUN=$(BUILD)/homerun tests/robustness/cluster_load.py
	@CLUSTER=full HOMERUN=$(BUILD)/homerun tests/robustness/places_load.py
	@CLUSTER=full HOMERUN=$(BUILD)/homerun tests/robustness/instance_numbers.py
	@CLUSTER=full HOMERUN=$(BUILD)/homerun tests/robustness/record_faults.py

# What clients do, with three nodes behind HAProxy in the place of each Homerun: each request comes to the next node (10
# minutes). With PROVIDER=/path/to/terraform-provider-google that too.
BALANCED = api_v1 run_v2 client_libraries clients_grpc clients_python clients_node gcloud_services gcloud_iam gcloud_logs \
    gcloud_deploy terraform
test-balanced: build
	@for one in $(BALANCED); do echo "$$one"; HOMERUN_TEST_BALANCED=1 HOMERUN_TERRAFORM_PROVIDER="$(PROVIDER)" \
	    HOMERUN=$(abspath $(BUILD))/homerun tests/e2e/$$one.py; done

# Three nodes are exchanged for the next release, over a step of the schema, under load; OLD=FILE: for this one, from the
# program of an older release.
test-upgrade: test-packages build
	@UPGRADE=1 UPGRADE_OLD=$(OLD) HOMERUN=$(BUILD)/homerun tests/robustness/upgrade.py

# Gate, explanation and ladder agree: 500,000 generated worlds and requests, and 10,000 of them
# through the running product.
screenshots: build # the pictures of docs/console.md, by the test that makes them
	@mkdir -p $(BUILD)/shots
	@HOMERUN_SHOTS=$(BUILD)/shots HOMERUN=$(BUILD)/homerun tests/e2e/console.py the_guide
	@cp $(BUILD)/shots/guide-services.png docs/console.png
	@for one in security revision denial; do cp $(BUILD)/shots/guide-$$one.png docs/console-$$one.png; done

test-agreement: test-packages build
	@AGREEMENT_PAIRS=500000 $(BUILD)/tests/unit/ingress/test-ingress-agreement
	@PLAN_WORLDS=1500 $(BUILD)/tests/unit/control/test-control-orgpolicy_plan
	@AGREEMENT=full HOMERUN=$(BUILD)/homerun tests/robustness/agreement.py

# Instances in a cluster, against a real API server, which is built at the first time (20 minutes of one core), with
# Debian's etcd; then in real pods, where there are root and Debian's containerd, runc and containernetworking-plugins.
# Without the target the tests run against tests/e2e/kube_fake.py.
KUBERNETES ?= /tmp/kube
test-kubernetes: test-packages build
	@command -v etcd >/dev/null || { echo "etcd is missing: apt-get install etcd-server"; exit 1; }
	@tests/kubernetes/build.sh "$(KUBERNETES)"
	@HOMERUN=$(abspath $(BUILD))/homerun tests/kubernetes/run.py "$(KUBERNETES)" $(T)
	@HOMERUN=$(abspath $(BUILD))/homerun tests/kubernetes/run.py "$(KUBERNETES)" --rights $(T)
	@HOMERUN=$(abspath $(BUILD))/homerun tests/kubernetes/run.py "$(KUBERNETES)" --pods $(T)
	@HOMERUN=$(abspath $(BUILD))/homerun tests/kubernetes/run.py "$(KUBERNETES)" --nodes $(T)
	@HOMERUN=$(abspath $(BUILD))/homerun tests/kubernetes/run.py "$(KUBERNETES)" --chart $(T)

# Terraform: the provider's part replayed, and with PROVIDER=/path/to/terraform-provider-google the
# provider itself.
test-terraform: build
	@HOMERUN_TERRAFORM_PROVIDER="$(PROVIDER)" \
	    tests/run.py --build $(BUILD) --only e2e/terraform --count-skips

# The unit tests under AddressSanitizer and UndefinedBehaviorSanitizer.
asan: test-packages
	@test -f build-asan/build.ninja || \
	    meson setup build-asan -Db_sanitize=address,undefined -Db_lundef=false >/dev/null
	@ninja -C build-asan --quiet
	@meson test -C build-asan --print-errorlogs --no-rebuild $(if $(T),--suite "$(T)")

# make fuzz F=http1 SECONDS=60
fuzz: test-packages
	@tests/fuzz/run.sh $(SECONDS) $(F)

bench: build
	@bench/run.sh $(BUILD) $(ARGS)

format:
	@tests/format.py --write

install: build
	@meson configure $(BUILD) --prefix $(PREFIX) >/dev/null
	@meson install -C $(BUILD)
	@install -D -m 644 packaging/homerun.service $(DESTDIR)/lib/systemd/system/homerun.service
	@test -e $(DESTDIR)/etc/homerun.yaml || \
	    install -D -m 644 packaging/homerun.yaml $(DESTDIR)/etc/homerun.yaml

clean:
	rm -rf build build-asan build-fuzz
