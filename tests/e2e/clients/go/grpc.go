package main

import (
	"context"
	"log"
	"os"
	"time"

	"cloud.google.com/go/iam/apiv1/iampb"
	run "cloud.google.com/go/run/apiv2"
	"cloud.google.com/go/run/apiv2/runpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// byGRPC uses the library's default transport. Nothing is set by hand: what `homerun env --connect`
// prints is the environment.
func byGRPC() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	services, err := run.NewServicesClient(ctx)
	check(err)
	parent := "projects/" + os.Getenv("GOOGLE_PROJECT") + "/locations/" + os.Getenv("GOOGLE_REGION")
	name := parent + "/services/go-grpc"
	service := &runpb.Service{Template: &runpb.RevisionTemplate{
		Containers: []*runpb.Container{{Image: image}}}}
	creating, err := services.CreateService(ctx, &runpb.CreateServiceRequest{
		Parent: parent, ServiceId: "go-grpc", Service: service})
	check(err)
	made, err := creating.Wait(ctx)
	check(err)
	if made.GetName() != name {
		log.Fatalf("made %v", made)
	}
	listed, err := services.ListServices(ctx, &runpb.ListServicesRequest{Parent: parent}).Next()
	check(err)
	if listed.GetName() != name {
		log.Fatalf("listed %v", listed)
	}
	for _, open := range []bool{true, false} {
		updating, err := services.UpdateService(ctx, &runpb.UpdateServiceRequest{
			Service:    &runpb.Service{Name: name, InvokerIamDisabled: open},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"invoker_iam_disabled"}}})
		check(err)
		updated, err := updating.Wait(ctx)
		check(err)
		if updated.GetInvokerIamDisabled() != open {
			log.Fatalf("updated %v", updated)
		}
	}
	policy, err := services.GetIamPolicy(ctx, &iampb.GetIamPolicyRequest{Resource: name})
	check(err)
	policy.Bindings = append(policy.Bindings, &iampb.Binding{
		Role: "roles/run.invoker", Members: []string{"allUsers"}})
	policy, err = services.SetIamPolicy(ctx, &iampb.SetIamPolicyRequest{Resource: name, Policy: policy})
	check(err)
	if policy.GetBindings()[0].GetMembers()[0] != "allUsers" {
		log.Fatalf("policy %v", policy)
	}
	_, err = services.GetService(ctx, &runpb.GetServiceRequest{Name: parent + "/services/none"})
	if status.Code(err) != codes.NotFound {
		log.Fatalf("a service that does not exist: %v", err)
	}
	jobs, err := run.NewJobsClient(ctx)
	check(err)
	_, err = jobs.GetJob(ctx, &runpb.GetJobRequest{Name: parent + "/jobs/none"})
	if status.Code(err) != codes.Unimplemented {
		log.Fatalf("a job: %v", err)
	}
	deleting, err := services.DeleteService(ctx, &runpb.DeleteServiceRequest{Name: name})
	check(err)
	_, err = deleting.Wait(ctx)
	check(err)
}
