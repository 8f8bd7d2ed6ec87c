package kafka

// The bodies of requests about groups, beside those of their members.

var leaveGroupRequest = []field{
	{kind: group},
	{name: "member_id", kind: text, till: 3},
	{name: "member", kind: array, from: 3, of: []field{
		{name: "member_id", kind: text},
		{name: "group_instance_id", kind: text},
		{name: "reason", kind: text, from: 5},
	}},
}

var leaveGroupResponse = []field{
	{name: "throttle_time_ms", kind: integer32, from: 1, quiet: true},
	{kind: errorCode},
	{name: "member", kind: array, from: 3, of: []field{
		{name: "member_id", kind: text},
		{name: "group_instance_id", kind: text},
		{kind: errorCode},
	}},
}

// namedGroups is the body of requests about several groups.
var namedGroups = []field{
	{kind: subjects},
}

var describeGroupsRequest = []field{
	{kind: subjects},
	{kind: boolean, from: 3},
}

var describeGroupsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, from: 1, quiet: true},
	{name: "group", kind: array, of: []field{
		{kind: errorCode},
		{kind: errorText, from: 6},
		{kind: group},
		{name: "state", kind: text},
		{name: "protocol_type", kind: text},
		{name: "protocol", kind: text},
		{name: "member", kind: array, of: []field{
			{name: "member_id", kind: text},
			{name: "group_instance_id", kind: text, from: 4},
			{name: "client_id", kind: text},
			{name: "client_host", kind: text},
			{name: "metadata_bytes", kind: blob},
			{name: "assignment_bytes", kind: blob},
		}},
		{kind: integer32, from: 3},
	}},
}

var listGroupsRequest = []field{
	{name: "states", kind: listOf, from: 4},
	{name: "types", kind: listOf, from: 5},
}

var listGroupsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, from: 1, quiet: true},
	{kind: errorCode},
	{name: "group", kind: array, of: []field{
		{kind: group},
		{name: "protocol_type", kind: text},
		{name: "state", kind: text, from: 4},
		{name: "type", kind: text, from: 5},
	}},
}

var deleteGroupsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{name: "group", kind: array, of: []field{
		{kind: group},
		{kind: errorCode},
		{kind: errorText, from: 3},
	}},
}

var offsetDeleteRequest = []field{
	{kind: group},
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
		}},
	}},
}

var offsetDeleteResponse = []field{
	{kind: errorCode},
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{name: "topic", kind: array, of: partitionErrors},
}

var consumerGroupHeartbeatRequest = []field{
	{kind: group},
	{name: "member_id", kind: text},
	{name: "member_epoch", kind: integer32},
	{name: "instance_id", kind: text},
	{name: "rack_id", kind: text},
	{name: "rebalance_timeout_ms", kind: integer32, quiet: true},
	{name: "subscribed", kind: listOf},
	{name: "subscribed_regex", kind: text, from: 1},
	{name: "assignor", kind: text},
	{name: "topic", kind: array, of: []field{
		{kind: topicID},
		{name: "partitions", kind: list32},
	}},
}

var consumerGroupHeartbeatResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{kind: errorCode},
	{kind: errorText},
	{name: "member_id", kind: text},
	{name: "member_epoch", kind: integer32},
	{name: "heartbeat_interval_ms", kind: integer32},
	{name: "assignment", kind: optional, of: []field{
		{name: "topic", kind: array, of: []field{
			{kind: topicID},
			{name: "partitions", kind: list32},
		}},
	}},
}

var consumerGroupDescribeRequest = []field{
	{kind: subjects},
	{kind: boolean},
}

// memberAssignment has what a member of a group reads.
var memberAssignment = []field{
	{name: "topic", kind: array, of: []field{
		{kind: topicID},
		{kind: topic},
		{name: "partitions", kind: list32},
	}},
}

var consumerGroupDescribeResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{name: "group", kind: array, of: []field{
		{kind: errorCode},
		{kind: errorText},
		{kind: group},
		{name: "state", kind: text},
		{name: "epoch", kind: integer32},
		{name: "assignment_epoch", kind: integer32},
		{name: "assignor", kind: text},
		{name: "member", kind: array, of: []field{
			{name: "member_id", kind: text},
			{name: "instance_id", kind: text},
			{name: "rack_id", kind: text},
			{name: "member_epoch", kind: integer32},
			{name: "client_id", kind: text},
			{name: "client_host", kind: text},
			{name: "subscribed", kind: listOf},
			{name: "subscribed_regex", kind: text},
			{name: "assignment", kind: structure, of: memberAssignment},
			{name: "target", kind: structure, of: memberAssignment},
			{name: "type", kind: integer8, from: 1},
		}},
		{kind: integer32},
	}},
}
