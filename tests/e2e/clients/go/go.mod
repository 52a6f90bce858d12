module homerun/clients

go 1.26

require (
	cloud.google.com/go/iam v1.14.0
	cloud.google.com/go/run v1.24.1
	google.golang.org/api v0.311.0
	google.golang.org/protobuf v1.36.12
)
