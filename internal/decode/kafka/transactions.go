package kafka

// The bodies of transactions, and what others have in common with them.

// topicPartitions has the topics of requests that have a list of partitions.
var topicPartitions = []field{
	{kind: topic},
	{name: "partitions", kind: list32},
}

// partitionErrors has the topics of responses that have an error for each partition.
var partitionErrors = []field{
	{kind: topic},
	{name: "partition", kind: array, of: []field{
		{kind: partition},
		{kind: errorCode},
	}},
}

var addPartitionsToTxnRequest = []field{
	{kind: subject, till: 4},
	{name: "producer_id", kind: integer64, till: 4},
	{name: "producer_epoch", kind: integer16, till: 4},
	{name: "topic", kind: array, till: 4, of: topicPartitions},
	{name: "transaction", kind: array, from: 4, of: []field{
		{kind: group},
		{name: "producer_id", kind: integer64},
		{name: "producer_epoch", kind: integer16},
		{name: "verify_only", kind: boolean, quiet: true},
		{name: "topic", kind: array, of: topicPartitions},
	}},
}

var addPartitionsToTxnResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{kind: errorCode, from: 4},
	{name: "transaction", kind: array, from: 4, of: []field{
		{kind: group},
		{name: "topic", kind: array, of: partitionErrors},
	}},
	{name: "topic", kind: array, till: 4, of: partitionErrors},
}

var addOffsetsToTxnRequest = []field{
	{kind: subject},
	{name: "producer_id", kind: integer64},
	{name: "producer_epoch", kind: integer16},
	{kind: group},
}

// errorAlone is a response that has nothing but an error.
var errorAlone = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{kind: errorCode},
}

var endTxnRequest = []field{
	{kind: subject},
	{name: "producer_id", kind: integer64},
	{name: "producer_epoch", kind: integer16},
	{name: "commit", kind: boolean},
}

var endTxnResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{kind: errorCode},
	{name: "producer_id", kind: integer64, from: 5},
	{name: "producer_epoch", kind: integer16, from: 5},
}

var describeProducersRequest = []field{
	{name: "topic", kind: array, of: topicPartitions},
}

var describeProducersResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
			{kind: errorCode},
			{kind: errorText},
			{name: "producer", kind: array, of: []field{
				{name: "producer_id", kind: integer64},
				{name: "producer_epoch", kind: integer32},
				{name: "last_sequence", kind: integer32},
				{name: "last_timestamp", kind: integer64},
				{name: "coordinator_epoch", kind: integer32, quiet: true},
				{name: "txn_start_offset", kind: integer64, quiet: true},
			}},
		}},
	}},
}

var listTransactionsRequest = []field{
	{name: "states", kind: listOf},
	{name: "producer_ids", kind: list64},
	{name: "duration_ms", kind: integer64, from: 1, quiet: true},
	{name: "pattern", kind: text, from: 2},
}

var listTransactionsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{kind: errorCode},
	{name: "unknown_states", kind: listOf},
	{name: "transaction", kind: array, of: []field{
		{kind: group},
		{name: "producer_id", kind: integer64},
		{name: "state", kind: text},
	}},
}

var describeTransactionsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{name: "transaction", kind: array, of: []field{
		{kind: errorCode},
		{kind: group},
		{name: "state", kind: text},
		{name: "timeout_ms", kind: integer32},
		{name: "start_timestamp", kind: integer64},
		{name: "producer_id", kind: integer64},
		{name: "producer_epoch", kind: integer16},
		{name: "topic", kind: array, of: topicPartitions},
	}},
}
