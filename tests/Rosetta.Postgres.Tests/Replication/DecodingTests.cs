using Rosetta.Core.Changes;
using Xunit;

namespace Rosetta.Postgres.Tests.Replication;

[Collection(ReplicationCollection.Name)]
public sealed class DecodingTests(ReplicationServer replication)
{
    async Task<RecordingConsumer> RunAsync(string tables, string published, int transactions, params string[] statements)
    {
        await using SourceFixture source = await SourceFixture.CreateAsync(replication.Server, tables, published);
        foreach (string statement in statements)
            await source.ExecuteAsync(statement);
        var consumer = new RecordingConsumer();
        await using RunningStream stream = await RunningStream.StartAsync(source, consumer);
        Task first = await Task.WhenAny(stream.Completion, consumer.UntilCommitsAsync(transactions));
        await first;
        return consumer;
    }

    [Fact]
    public async Task Should_decode_changes_of_a_table_with_a_key()
    {
        RecordingConsumer consumer = await RunAsync(
            "CREATE TABLE t (id int PRIMARY KEY, v text)", "FOR TABLE t", 1,
            """
            BEGIN;
            INSERT INTO t VALUES (1, 'one'), (2, NULL), (3, '');
            UPDATE t SET v = 'two' WHERE id = 2;
            UPDATE t SET id = 30 WHERE id = 3;
            DELETE FROM t WHERE id = 1;
            COMMIT
            """);
        Assert.Equal(
            [
                "Insert t new(1,one)",
                "Insert t new(2,NULL)",
                "Insert t new(3,)",
                "Update t new(2,two)",
                "Update t [OldIsKey] old(3,NULL) new(30,)",
                "Delete t [OldIsKey] old(1,NULL)",
            ],
            consumer.Lines);
        TransactionSpan span = Assert.Single(consumer.Spans);
        Assert.True(span.StartsHere && span.EndsHere && span.EndLsn > span.CommitLsn && span.Xid != 0);
        Assert.InRange(span.CommittedAt, DateTimeOffset.UtcNow.AddMinutes(-10), DateTimeOffset.UtcNow.AddMinutes(1));
    }

    [Fact]
    public async Task Should_decode_whole_old_rows_under_full_replica_identity()
    {
        RecordingConsumer consumer = await RunAsync(
            "CREATE TABLE t (a int, b text); ALTER TABLE t REPLICA IDENTITY FULL", "FOR TABLE t", 3,
            "INSERT INTO t VALUES (1, 'x'), (1, 'x')", "UPDATE t SET b = NULL", "DELETE FROM t");
        Assert.Equal(
            [
                "Insert t new(1,x)", "Insert t new(1,x)",
                "Update t [OldIsFull] old(1,x) new(1,NULL)", "Update t [OldIsFull] old(1,x) new(1,NULL)",
                "Delete t [OldIsFull] old(1,NULL)", "Delete t [OldIsFull] old(1,NULL)",
            ],
            consumer.Lines);
        Assert.Equal(ReplicaIdentity.Full, consumer.Relations[0].Identity);
        Assert.All(consumer.Relations[0].Columns, c => Assert.True(c.IsKey));
    }

    [Fact]
    public async Task Should_decode_an_index_as_replica_identity()
    {
        RecordingConsumer consumer = await RunAsync(
            """
            CREATE TABLE t (a int, b int NOT NULL, c bigint NOT NULL);
            CREATE UNIQUE INDEX u ON t (c, b);
            ALTER TABLE t REPLICA IDENTITY USING INDEX u
            """,
            "FOR TABLE t", 1,
            "BEGIN; INSERT INTO t VALUES (1, 2, 3); UPDATE t SET b = 20; DELETE FROM t; COMMIT");
        Assert.Equal(
            ["Insert t new(1,2,3)", "Update t [OldIsKey] old(NULL,2,3) new(1,20,3)", "Delete t [OldIsKey] old(NULL,20,3)"], consumer.Lines);
        Assert.Equal([false, true, true], consumer.Relations[0].Columns.Select(c => c.IsKey));
    }

    [Fact]
    public async Task Should_tell_an_unchanged_toast_value_from_null()
    {
        RecordingConsumer consumer = await RunAsync(
            "CREATE TABLE t (id int PRIMARY KEY, n int, big text, other text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL, ALTER other SET STORAGE EXTERNAL",
            "FOR TABLE t", 4,
            "INSERT INTO t VALUES (1, 1, repeat('x', 10000), repeat('y', 9000))",
            "UPDATE t SET n = 2",
            "UPDATE t SET big = NULL",
            "UPDATE t SET id = 2");
        Assert.Equal(
            [
                "Insert t new(1,1,10000 bytes,9000 bytes)",
                "Update t new(1,2,~,~)",
                "Update t new(1,2,NULL,~)",
                "Update t [OldIsKey] old(1,NULL,NULL,NULL) new(2,2,NULL,~)",
            ],
            consumer.Lines);
    }

    [Fact]
    public async Task Should_decode_a_truncate_of_several_tables()
    {
        RecordingConsumer consumer = await RunAsync(
            """
            CREATE TABLE a (id serial PRIMARY KEY);
            CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);
            CREATE TABLE c (id int PRIMARY KEY)
            """,
            "FOR TABLE a, b, c", 3,
            "TRUNCATE a RESTART IDENTITY CASCADE", "TRUNCATE c", "BEGIN; INSERT INTO c VALUES (1); TRUNCATE c, b; INSERT INTO c VALUES (2); COMMIT");
        Assert.Equal(
            [
                "Truncate a [TruncateCascade, TruncateRestartIdentity, TruncateContinues]",
                "Truncate b [TruncateCascade, TruncateRestartIdentity]",
                "Truncate c",
                "Insert c new(1)",
                "Truncate c [TruncateContinues]",
                "Truncate b",
                "Insert c new(2)",
            ],
            consumer.Lines);
    }

    [Fact]
    public async Task Should_decode_types_without_binary_form_as_text()
    {
        RecordingConsumer consumer = await RunAsync(
            "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TABLE t (id int PRIMARY KEY, a aclitem, m mood, n numeric)", "FOR TABLE t", 1,
            "INSERT INTO t VALUES (1, 'postgres=r/postgres', 'glad', 'NaN')");
        Assert.Equal(["Insert t new(1,'postgres=r/postgres',0x676c6164,0x00000000c0000000)"], consumer.Lines);
    }

    [Fact]
    public async Task Should_describe_relations_and_make_a_new_one_only_when_it_changed()
    {
        const string Schema = "\"Odd \"\"schema\"\"\"";
        const string Table = $"{Schema}.\"Tä.ble\"";
        RecordingConsumer consumer = await RunAsync(
            $"CREATE SCHEMA {Schema}; CREATE TABLE {Table} (id int PRIMARY KEY, v varchar(7), g int GENERATED ALWAYS AS (id) STORED)",
            $"FOR TABLE {Table}", 5,
            $"INSERT INTO {Table} VALUES (1, 'a')",
            $"INSERT INTO {Table} VALUES (2, 'b')",
            // The server describes the relation again after this, unchanged as far as the stream is concerned.
            $"ALTER TABLE {Table} ALTER v SET STATISTICS 5; INSERT INTO {Table} VALUES (3, 'c')",
            $"ALTER TABLE {Table} ADD w int DEFAULT 7; INSERT INTO {Table} VALUES (4, 'd')",
            $"ALTER TABLE {Table} RENAME v TO u; INSERT INTO {Table} VALUES (5, 'e')");

        IReadOnlyList<Relation> relations = consumer.Relations;
        Assert.Equal(5, relations.Count);
        Assert.Equal(("Odd \"schema\"", "Tä.ble", ReplicaIdentity.Default), (relations[0].Schema, relations[0].Name, relations[0].Identity));
        Assert.Equal([new RelationColumn("id", 23, -1, true), new RelationColumn("v", 1043, 11, false)], relations[0].Columns);
        Assert.Same(relations[0], relations[1]);
        Assert.Same(relations[0], relations[2]);
        Assert.Equal(["id", "v", "w"], relations[3].Columns.Select(c => c.Name));
        Assert.Equal(["id", "u", "w"], relations[4].Columns.Select(c => c.Name));
        Assert.Equal(relations[0].Id, relations[4].Id);
    }

    [Fact]
    public async Task Should_follow_origins_messages_and_subtransactions()
    {
        await using SourceFixture source = await SourceFixture.CreateAsync(
            replication.Server, "CREATE TABLE t (id int PRIMARY KEY)", "FOR TABLE t");
        await source.ExecuteAsync($"""
            SELECT pg_replication_origin_create('{source.Database}');
            SELECT pg_replication_origin_session_setup('{source.Database}');
            BEGIN;
            SELECT pg_replication_origin_xact_setup('0/1234', now());
            INSERT INTO t VALUES (1);
            SELECT pg_logical_emit_message(true, 'rosetta', 'inside');
            SAVEPOINT a; INSERT INTO t VALUES (2); ROLLBACK TO a;
            SAVEPOINT b; INSERT INTO t VALUES (3); RELEASE b;
            COMMIT;
            SELECT pg_replication_origin_session_reset();
            SELECT pg_replication_origin_drop('{source.Database}')
            """);
        var consumer = new RecordingConsumer();
        await using RunningStream stream = await RunningStream.StartAsync(source, consumer, source.Options with { Messages = true });
        await consumer.UntilCommitsAsync(1);
        Assert.Equal(["Insert t new(1)", "Insert t new(3)"], consumer.Lines);

        var message = await source.LsnAsync("pg_logical_emit_message(false, 'rosetta', 'outside')");
        await source.ExecuteAsync("INSERT INTO t VALUES (4)");
        await consumer.UntilCommitsAsync(2);
        Assert.True(consumer.DeliveredUpTo > message);
        Assert.False(stream.Completion.IsCompleted);
    }
}
