output "topic_arn" {
  description = "The topic that alarms go to."
  value       = aws_sns_topic.this.arn
}
