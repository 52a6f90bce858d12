#!/bin/sh
# Builds kube-apiserver, kube-controller-manager, kubelet and helm, by name from the Go module proxy, into FOLDER. Takes 20
# minutes of one core the first time; what is there already is left.
#
#   tests/kubernetes/build.sh FOLDER
set -eu

version=1.34.3
folder=$1
mkdir -p "$folder/module"
command -v helm >/dev/null || [ -x "$folder/helm" ] ||
    GOBIN=$folder CGO_ENABLED=0 GOFLAGS=-p=1 nice -n 19 go install helm.sh/helm/v3/cmd/helm@v3.19.0
[ -x "$folder/kube-apiserver" ] && [ -x "$folder/kube-controller-manager" ] && [ -x "$folder/kubelet" ] && exit 0

cd "$folder/module"
# The main module names its parts by folders of its own repository; each is published by itself.
parts="api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider cluster-bootstrap
code-generator component-base component-helpers controller-manager cri-api cri-client csi-translation-lib
dynamic-resource-allocation endpointslice externaljwt kms kube-aggregator kube-controller-manager kube-proxy
kube-scheduler kubectl kubelet metrics mount-utils pod-security-admission sample-apiserver sample-cli-plugin
sample-controller"
{
    printf 'module kubekit\n\ngo 1.24.0\n\nrequire k8s.io/kubernetes v%s\n\nreplace (\n' "$version"
    for part in $parts; do
        printf '\tk8s.io/%s => k8s.io/%s v0.%s\n' "$part" "$part" "${version#1.}"
    done
    printf ')\n'
} >go.mod
cat >tools.go <<'END'
//go:build tools

package kubekit

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kubelet"
)
END
export CGO_ENABLED=0 GOFLAGS="-p=1 -mod=mod"
go mod tidy -e 2>tidy.log
# Who asks a server that was built without a version hears 0.0.0, and Helm takes that for too old.
it=k8s.io/component-base/version
named="-X $it.gitVersion=v$version -X $it.gitMajor=1 -X $it.gitMinor=34"
nice -n 19 go build -trimpath -ldflags "$named" -o "$folder/" k8s.io/kubernetes/cmd/kube-apiserver \
    k8s.io/kubernetes/cmd/kube-controller-manager k8s.io/kubernetes/cmd/kubelet
