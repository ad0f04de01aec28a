"""A schema of Protobuf for tests, as source and as a descriptor set."""

from __future__ import annotations

from google.protobuf import descriptor_pb2

SOURCE = """\
syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/wrappers.proto";

enum Kind { UNKNOWN = 0; BOOK = 1; }
message Line { string sku = 1; int32 count = 2; }
message Order {
  message Note { string text = 1; }
  string id = 1;
  int64 cents = 2;
  bytes raw = 3;
  Kind kind = 4;
  repeated Line lines = 5;
  map<string, Line> by_name = 6;
  map<int64, double> rates = 7;
  google.protobuf.Timestamp at = 8;
  google.protobuf.Duration took = 9;
  google.protobuf.Struct extra = 10;
  google.protobuf.StringValue remark = 11;
  optional int32 maybe = 12;
  oneof payment { string card = 13; Line voucher = 14; }
  Order parent = 15;
  repeated Kind kinds = 16;
}
"""


def descriptor_set() -> bytes:
    """Return what `protoc` makes of a small part of it, without needing `protoc`."""
    file = descriptor_pb2.FileDescriptorProto(name="small.proto", package="shop", syntax="proto3")
    line = file.message_type.add(name="Line")
    line.field.add(name="sku", number=1, type=9, label=1)
    line.field.add(name="count", number=2, type=5, label=1)
    order = file.message_type.add(name="Order")
    order.field.add(name="id", number=1, type=9, label=1)
    order.field.add(name="lines", number=5, type=11, label=3, type_name=".shop.Line")
    order.nested_type.add(name="Note").field.add(name="text", number=1, type=9, label=1)
    return descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString()
