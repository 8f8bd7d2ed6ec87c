package kafka

// The bodies of what administrators' tools send.

var deleteTopicsRequest = []field{
	{name: "topic", kind: array, from: 6, of: []field{
		{kind: topic},
		{kind: topicID},
	}},
	{kind: subjects, till: 6},
	{name: "timeout_ms", kind: integer32},
}

var deleteTopicsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, from: 1, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{kind: topicID, from: 6},
		{kind: errorCode},
		{kind: errorText, from: 5},
	}},
}

var deleteRecordsRequest = []field{
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
			{name: "offset", kind: integer64},
		}},
	}},
	{name: "timeout_ms", kind: integer32},
}

var deleteRecordsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
			{name: "low_watermark", kind: integer64},
			{kind: errorCode},
		}},
	}},
}

var createPartitionsRequest = []field{
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{name: "count", kind: integer32},
		{name: "assignment", kind: array, of: []field{
			{name: "replicas", kind: list32},
		}},
	}},
	{name: "timeout_ms", kind: integer32},
	{name: "validate_only", kind: boolean, quiet: true},
}

var createPartitionsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{kind: errorCode},
		{kind: errorText},
	}},
}

var describeConfigsRequest = []field{
	{name: "resource", kind: array, of: []field{
		{name: "type", kind: integer8},
		{kind: group},
		{name: "names", kind: listOf},
	}},
	{name: "include_synonyms", kind: boolean, from: 1, quiet: true},
	{name: "include_documentation", kind: boolean, from: 3, quiet: true},
}

var describeConfigsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{name: "resource", kind: array, of: []field{
		{kind: errorCode},
		{kind: errorText},
		{name: "type", kind: integer8},
		{kind: group},
		{name: "config", kind: array, of: []field{
			{name: "name", kind: configName},
			{name: "value", kind: configValue},
			{name: "read_only", kind: boolean, quiet: true},
			{kind: boolean, till: 1},
			{name: "source", kind: integer8, from: 1},
			{name: "sensitive", kind: boolean, quiet: true},
			{kind: array, from: 1, of: []field{
				{kind: configName},
				{kind: configValue},
				{kind: integer8},
			}},
			{kind: integer8, from: 3},
			{kind: text, from: 3},
		}},
	}},
}

var alterConfigsRequest = []field{
	{name: "resource", kind: array, of: []field{
		{name: "type", kind: integer8},
		{kind: group},
		{name: "config", kind: array, of: []field{
			{name: "name", kind: configName},
			{name: "value", kind: configValue},
		}},
	}},
	{name: "validate_only", kind: boolean, quiet: true},
}

var incrementalAlterConfigsRequest = []field{
	{name: "resource", kind: array, of: []field{
		{name: "type", kind: integer8},
		{kind: group},
		{name: "config", kind: array, of: []field{
			{name: "name", kind: configName},
			{name: "operation", kind: integer8},
			{name: "value", kind: configValue},
		}},
	}},
	{name: "validate_only", kind: boolean, quiet: true},
}

// alterConfigsResponse is also that of IncrementalAlterConfigs.
var alterConfigsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{name: "resource", kind: array, of: []field{
		{kind: errorCode},
		{kind: errorText},
		{name: "type", kind: integer8},
		{kind: group},
	}},
}

var describeClusterRequest = []field{
	{kind: boolean},
	{name: "endpoint_type", kind: integer8, from: 1},
	{kind: boolean, from: 2},
}

var describeClusterResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{kind: errorCode},
	{kind: errorText},
	{name: "endpoint_type", kind: integer8, from: 1},
	{name: "cluster_id", kind: text},
	{name: "controller_id", kind: integer32},
	{name: "broker", kind: array, of: []field{
		{name: "node_id", kind: integer32},
		{name: "host", kind: text},
		{name: "port", kind: integer32},
		{name: "rack", kind: text},
		{name: "fenced", kind: boolean, from: 2, quiet: true},
	}},
	{kind: integer32},
}

var txnOffsetCommitRequest = []field{
	{kind: subject},
	{kind: group},
	{name: "producer_id", kind: integer64},
	{name: "producer_epoch", kind: integer16},
	{name: "generation", kind: integer32, from: 3},
	{name: "member_id", kind: text, from: 3},
	{name: "group_instance_id", kind: text, from: 3},
	{name: "topic", kind: array, of: []field{
		{kind: topic, till: 6},
		{kind: topicID, from: 6},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
			{name: "offset", kind: integer64},
			{name: "leader_epoch", kind: integer32, from: 2, quiet: true},
			{name: "metadata", kind: text},
		}},
	}},
}

var txnOffsetCommitResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: topic, till: 6},
		{kind: topicID, from: 6},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
			{kind: errorCode},
		}},
	}},
}

var offsetForLeaderEpochRequest = []field{
	{name: "replica_id", kind: integer32, from: 3, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
			{name: "current_leader_epoch", kind: integer32, from: 2, quiet: true},
			{name: "leader_epoch", kind: integer32},
		}},
	}},
}

var offsetForLeaderEpochResponse = []field{
	{name: "throttle_time_ms", kind: integer32, from: 2, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{name: "partition", kind: array, of: []field{
			{kind: errorCode},
			{kind: partition},
			{name: "leader_epoch", kind: integer32, from: 1},
			{name: "end_offset", kind: integer64},
		}},
	}},
}

// nextTopicPartition says where the next request goes on.
var nextTopicPartition = []field{
	{name: "topic", kind: text},
	{name: "partition", kind: integer32},
}

var describeTopicPartitionsRequest = []field{
	{name: "topic", kind: array, of: []field{
		{kind: topic},
	}},
	{name: "limit", kind: integer32},
	{name: "cursor", kind: optional, of: nextTopicPartition},
}

var describeTopicPartitionsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: errorCode},
		{kind: topic},
		{kind: topicID},
		{name: "internal", kind: boolean, quiet: true},
		{name: "partition", kind: array, of: []field{
			{kind: errorCode},
			{kind: partition},
			{name: "leader", kind: integer32},
			{name: "leader_epoch", kind: integer32, quiet: true},
			{name: "replicas", kind: list32},
			{name: "isr", kind: list32},
			{name: "eligible", kind: list32},
			{name: "last_known_eligible", kind: list32},
			{name: "offline", kind: list32},
		}},
		{kind: integer32},
	}},
	{name: "cursor", kind: optional, of: nextTopicPartition},
}

var describeLogDirsRequest = []field{
	{name: "topic", kind: array, of: topicPartitions},
}

var describeLogDirsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{kind: errorCode, from: 3},
	{name: "directory", kind: array, of: []field{
		{kind: errorCode},
		{kind: group},
		{name: "topic", kind: array, of: []field{
			{kind: topic},
			{name: "partition", kind: array, of: []field{
				{kind: partition},
				{name: "size", kind: integer64},
				{name: "offset_lag", kind: integer64, quiet: true},
				{name: "future", kind: boolean, quiet: true},
			}},
		}},
		{name: "total_bytes", kind: integer64, from: 4},
		{name: "usable_bytes", kind: integer64, from: 4},
		{name: "cordoned", kind: boolean, from: 5, quiet: true},
	}},
}

var electLeadersRequest = []field{
	{name: "type", kind: integer8, from: 1},
	{name: "topic", kind: array, of: topicPartitions},
	{name: "timeout_ms", kind: integer32},
}

var electLeadersResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{kind: errorCode, from: 1},
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
			{kind: errorCode},
			{kind: errorText},
		}},
	}},
}

var getTelemetryRequest = []field{
	{name: "client_instance_id", kind: uuid},
}

var getTelemetryResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{kind: errorCode},
	{name: "client_instance_id", kind: uuid},
	{name: "subscription_id", kind: integer32},
	{name: "compressions", kind: list8},
	{name: "push_interval_ms", kind: integer32},
	{name: "max_bytes", kind: integer32},
	{name: "delta", kind: boolean},
	{name: "metrics", kind: listOf},
}

var pushTelemetryRequest = []field{
	{name: "client_instance_id", kind: uuid},
	{name: "subscription_id", kind: integer32},
	{name: "terminating", kind: boolean, quiet: true},
	{name: "compression", kind: integer8},
	{name: "metrics_bytes", kind: blob},
}
