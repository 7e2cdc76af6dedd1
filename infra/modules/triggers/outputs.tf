output "queue_name" {
  description = "Queue of events that reached nobody."
  value       = aws_sqs_queue.lost.name
}

output "rule_name" {
  description = "The rule that hears of manifests."
  value       = aws_cloudwatch_event_rule.manifest.name
}
