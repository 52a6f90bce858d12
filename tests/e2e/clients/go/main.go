// A service opened and closed with cloud.google.com/go/run, and called with ID tokens that the
// idtoken package obtained. Everything is in the environment that `homerun env` prints.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"cloud.google.com/go/iam/apiv1/iampb"
	run "cloud.google.com/go/run/apiv2"
	"cloud.google.com/go/run/apiv2/runpb"
	"google.golang.org/api/idtoken"
	"google.golang.org/api/option"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

const image = "us-docker.pkg.dev/cloudrun/container/hello"

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// A client that trusts the local CA, and knows that names below .localhost mean this machine
// (RFC 6761).
func newTransport() *http.Transport {
	pem, err := os.ReadFile(os.Getenv("HOMERUN_CA"))
	check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	return &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(address)
			if err == nil && strings.HasSuffix(host, ".localhost") {
				address = net.JoinHostPort("127.0.0.1", port)
			}
			return dialer.DialContext(ctx, network, address)
		},
	}
}

var transport = newTransport()

func get(url, token string) int {
	request, err := http.NewRequest("GET", url, nil)
	check(err)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := (&http.Client{Transport: transport, Timeout: 30 * time.Second}).Do(request)
	check(err)
	answer.Body.Close()
	return answer.StatusCode
}

func expect(what string, got, wanted int) {
	if got != wanted {
		log.Fatalf("%s: %d, not %d", what, got, wanted)
	}
}

func identity(ctx context.Context, audience string) string {
	source, err := idtoken.NewTokenSource(ctx, audience)
	check(err)
	token, err := source.Token()
	check(err)
	return token.AccessToken
}

func setSwitch(ctx context.Context, services *run.ServicesClient, name string, off bool) {
	operation, err := services.UpdateService(ctx, &runpb.UpdateServiceRequest{
		Service:    &runpb.Service{Name: name, InvokerIamDisabled: off},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"invoker_iam_disabled"}},
	})
	check(err)
	_, err = operation.Wait(ctx)
	check(err)
}

func setMembers(ctx context.Context, services *run.ServicesClient, name string, members ...string) {
	policy, err := services.GetIamPolicy(ctx, &iampb.GetIamPolicyRequest{Resource: name})
	check(err)
	policy.Bindings = nil
	if len(members) > 0 {
		policy.Bindings = []*iampb.Binding{{Role: "roles/run.invoker", Members: members}}
	}
	_, err = services.SetIamPolicy(ctx, &iampb.SetIamPolicyRequest{Resource: name, Policy: policy})
	check(err)
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "grpc" {
		byGRPC()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	services, err := run.NewServicesRESTClient(ctx, option.WithEndpoint(os.Getenv("HOMERUN_API")))
	check(err)
	parent := fmt.Sprintf("projects/%s/locations/%s", os.Getenv("GOOGLE_PROJECT"),
		os.Getenv("GOOGLE_REGION"))
	operation, err := services.CreateService(ctx, &runpb.CreateServiceRequest{
		Parent: parent, ServiceId: "go-access",
		Service: &runpb.Service{Template: &runpb.RevisionTemplate{
			Containers: []*runpb.Container{{Image: image}}}}})
	check(err)
	made, err := operation.Wait(ctx)
	check(err)
	name, url := made.GetName(), made.GetUri()
	expect("anonymous", get(url, ""), 403)
	expect("by key file", get(url, identity(ctx, url)), 200)
	expect("another audience", get(url, identity(ctx, "https://example.com")), 401)
	check(os.Unsetenv("GOOGLE_APPLICATION_CREDENTIALS"))
	expect("by metadata server", get(url, identity(ctx, url)), 200)

	for i := 0; i < 20; i++ {
		setSwitch(ctx, services, name, true)
		expect("open", get(url, ""), 200)
		setSwitch(ctx, services, name, false)
		expect("closed", get(url, ""), 403)
	}
	for i := 0; i < 5; i++ {
		setMembers(ctx, services, name, "allUsers")
		expect("granted to all", get(url, ""), 200)
		setMembers(ctx, services, name)
		expect("taken back", get(url, ""), 403)
	}
	gone, err := services.DeleteService(ctx, &runpb.DeleteServiceRequest{Name: name})
	check(err)
	_, err = gone.Wait(ctx)
	check(err)
	expect("deleted", get(url, ""), 404)
}
