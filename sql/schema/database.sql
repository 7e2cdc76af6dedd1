-- The database of the tables beside this file; nothing of its own lies in it.
create database if not exists `apportion`
