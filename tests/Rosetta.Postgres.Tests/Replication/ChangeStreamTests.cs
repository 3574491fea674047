using System.Globalization;
using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Postgres.Replication;
using Rosetta.Postgres.Wire;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.Postgres.Tests.Replication;

[Collection(ReplicationCollection.Name)]
public sealed class ChangeStreamTests(ReplicationServer replication, ITestOutputHelper output)
{
    Task<SourceFixture> SourceAsync() => SourceFixture.CreateAsync(
        replication.Server, "CREATE TABLE t (id bigint PRIMARY KEY, v text); CREATE TABLE unpublished (v text)", "FOR TABLE t");

    [Fact]
    public async Task Should_hand_out_a_large_transaction_in_pieces()
    {
        await using SourceFixture source = await SourceAsync();
        await source.ExecuteAsync("INSERT INTO t VALUES (-1, 'before')");
        await source.ExecuteAsync("INSERT INTO t SELECT n, repeat('x', 50) FROM generate_series(1, 10000) n");
        await source.ExecuteAsync("INSERT INTO t VALUES (-2, 'after')");
        var consumer = new RecordingConsumer();

        await using RunningStream stream = await RunningStream.StartAsync(source, consumer, source.Options with { BatchChanges = 1000 });
        await consumer.UntilCommitsAsync(3);

        Assert.Equal(10_002, consumer.Lines.Count);
        TransactionSpan[] pieces = [.. consumer.Spans.Where(s => s.CommitLsn == consumer.Spans[1].CommitLsn)];
        Assert.True(pieces.Length >= 9, $"{pieces.Length} pieces");
        Assert.All(pieces[1..], p => Assert.True(p.Count <= 1000));
        Assert.True(pieces[0].Count <= 2000);
        Assert.Equal(10_000, pieces.Sum(p => p.Count));
        Assert.True(pieces[0].StartsHere && pieces[^1].EndsHere);
        Assert.All(pieces[..^1], p => Assert.True(!p.EndsHere && p.EndLsn.IsZero));
    }

    [Fact]
    public async Task Should_not_cut_transactions_that_are_no_larger_than_a_batch_under_a_backlog()
    {
        await using SourceFixture source = await SourceAsync();
        for (int n = 0; n < 30; n++)
            await source.ExecuteAsync($"INSERT INTO t SELECT n, 'x' FROM generate_series({n * 300}, {(n * 300) + 299}) n");
        var consumer = new RecordingConsumer();

        await using RunningStream stream = await RunningStream.StartAsync(
            source, consumer, source.Options with { BatchChanges = 1000, Patience = TimeSpan.FromSeconds(10) });
        await consumer.UntilCommitsAsync(30);

        Assert.All(consumer.Spans, s => Assert.True(s.StartsHere && s.EndsHere));
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task Should_deliver_every_change_in_order_whatever_the_sizes(bool tls, bool unixSocket)
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using SourceFixture source = await SourceAsync();
        var consumer = new RecordingConsumer();
        PgEndpoint endpoint = source.Endpoint with
        {
            SslMode = tls ? PgSslMode.Require : PgSslMode.Disable,
            Host = unixSocket ? Path.GetDirectoryName(replication.Server.DataDirectory)! : source.Endpoint.Host,
        };
        ChangeStreamOptions options = source.Options with { BatchBytes = random.Next(100, 100_000), BatchChanges = random.Next(1, 5000) };
        await using RunningStream stream = await RunningStream.StartAsync(await ReplicationConnection.OpenAsync(endpoint), consumer, options);

        await using PgConnection writer = await PgConnection.OpenAsync(source.Endpoint);
        var expected = new List<string>();
        long id = 0;
        for (int transaction = 0; transaction < 40; transaction++)
        {
            int rows = random.Next(4) == 0 ? random.Next(1, 5000) : random.Next(1, 5);
            int width = random.Next(3) == 0 ? random.Next(0, 100) : random.Next(0, 20);
            await writer.QueryAsync($"INSERT INTO t SELECT n, repeat('v', {width}) FROM generate_series({id}, {id + rows - 1}) n");
            for (int i = 0; i < rows; i++)
                expected.Add(string.Create(CultureInfo.InvariantCulture, $"Insert t new({id++},{new string('v', width)})"));
        }

        await consumer.UntilCommitsAsync(40);
        Assert.Equal(expected, consumer.Lines);
    }

    [Fact]
    public async Task Should_hand_out_a_row_larger_than_every_buffer()
    {
        await using SourceFixture source = await SourceAsync();
        await source.ExecuteAsync("INSERT INTO t VALUES (1, repeat('x', 20000000)), (2, 'y')");
        var consumer = new RecordingConsumer();
        await using RunningStream stream = await RunningStream.StartAsync(source, consumer);
        await consumer.UntilCommitsAsync(1);
        Assert.Equal(["Insert t new(1,20000000 bytes)", "Insert t new(2,y)"], consumer.Lines);
    }

    [Fact]
    public async Task Should_continue_exactly_after_the_transaction_it_stopped_at()
    {
        await using SourceFixture source = await SourceAsync();
        for (int n = 1; n <= 5; n++)
            await source.ExecuteAsync($"INSERT INTO t VALUES ({n}, 'v')");
        var first = new RecordingConsumer();
        await using (RunningStream stream = await RunningStream.StartAsync(source, first))
        {
            await first.UntilCommitsAsync(5);
            await stream.StopAsync();
        }

        foreach (int applied in new[] { 0, 2, 5 })
        {
            Lsn position = applied == 0 ? source.Start : first.Spans[applied - 1].EndLsn;
            await source.ExecuteAsync($"INSERT INTO t VALUES ({100 + applied}, 'later')");
            var second = new RecordingConsumer();
            await using RunningStream stream = await RunningStream.StartAsync(source, second, source.Options with { Start = position });
            await Wait.UntilAsync(() => second.Lines.Contains($"Insert t new({100 + applied},later)"), "the last transaction");
            Assert.Equal(applied == 5 ? "Insert t new(100,later)" : $"Insert t new({applied + 1},v)", second.Lines[0]);
            await stream.StopAsync();
        }
    }

    [Fact]
    public async Task Should_answer_the_source_while_the_consumer_blocks()
    {
        await using SourceFixture source = await SourceAsync();
        await replication.Server.ExecuteAsync($"ALTER DATABASE {source.Database} SET wal_sender_timeout = '2s'");
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var consumer = new RecordingConsumer { Before = async (_, token) => await release.Task.WaitAsync(token) };
        await using RunningStream stream = await RunningStream.StartAsync(source, consumer);
        Assert.Equal(TimeSpan.FromMilliseconds(500), stream.Stream.StatusInterval);
        // Much more than the socket's buffers hold, so that the walsender hangs in the middle of sending.
        await source.ExecuteAsync("INSERT INTO t SELECT n, repeat(md5(n::text), 30) FROM generate_series(1, 20000) n");
        DateTime begun = await source.ScalarAsync<DateTime>("SELECT clock_timestamp()");

        await Wait.UntilAsync(
            async () => await source.ScalarAsync<bool>(
                $"SELECT reply_time > '{begun:O}'::timestamptz + interval '7 s' FROM pg_stat_replication WHERE pid = {stream.Connection.ProcessId}"),
            "an answer long after the walsender's timeout");
        release.SetResult();

        await consumer.UntilCommitsAsync(1);
        Assert.Equal(20_000, consumer.Lines.Count);
        Assert.False(stream.Completion.IsCompleted);
    }

    [Fact]
    public async Task Should_move_on_over_wal_that_concerns_nothing_published()
    {
        await using SourceFixture source = await SourceAsync();
        var consumer = new RecordingConsumer();
        await using RunningStream stream = await RunningStream.StartAsync(source, consumer);
        await source.ExecuteAsync("INSERT INTO unpublished SELECT repeat('x', 100) FROM generate_series(1, 1000)");
        Lsn end = await source.LsnAsync();

        await consumer.UntilDeliveredAsync(end);
        Assert.Empty(consumer.Lines);
        Assert.True(stream.Stream.ReceivedLsn >= end);
        Lsn confirmed = await source.LsnAsync($"SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '{source.Slot}'");
        Assert.True(confirmed < end, "nothing may be acknowledged before we are told to");

        await stream.Stream.SendStatusAsync(consumer.DeliveredUpTo, consumer.DeliveredUpTo, consumer.DeliveredUpTo);
        // Backwards is ignored.
        await stream.Stream.SendStatusAsync(source.Start, source.Start, source.Start);
        await Wait.UntilAsync(
            async () => await source.LsnAsync($"SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '{source.Slot}'") >= end,
            "the slot to move");
    }

    [Fact]
    public async Task Should_free_the_slot_at_once_when_cancelled()
    {
        await using SourceFixture source = await SourceAsync();
        await source.ExecuteAsync("INSERT INTO t VALUES (1, 'v')");
        var consumer = new RecordingConsumer();
        await using RunningStream stream = await RunningStream.StartAsync(source, consumer);
        await consumer.UntilCommitsAsync(1);
        Lsn position = consumer.Spans[0].EndLsn;
        await stream.Stream.SendStatusAsync(position, position, position);

        await stream.StopAsync();

        Assert.True(stream.Completion.IsCanceled);
        Assert.Equal(position, await source.LsnAsync($"SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '{source.Slot}'"));
        Assert.False(stream.Connection.IsBroken);
        await stream.Connection.DropSlotAsync(source.Slot);
    }

    [Fact]
    public async Task Should_end_at_once_when_cancelled_while_the_source_is_idle()
    {
        await using SourceFixture source = await SourceAsync();
        // Nobody talks for ten minutes.
        await using RunningStream stream = await RunningStream.StartAsync(
            source, new RecordingConsumer(), source.Options with { StatusInterval = TimeSpan.FromMinutes(10), FarewellTime = TimeSpan.FromMinutes(10) });
        await Wait.UntilAsync(
            async () => await source.ScalarAsync<bool>(
                $"SELECT lower(wait_event) = 'walsenderwaitforwal' FROM pg_stat_activity WHERE pid = {stream.Connection.ProcessId}"),
            "the walsender to have nothing to send");
        await stream.StopAsync().WaitAsync(TimeSpan.FromMinutes(2));
        Assert.False(stream.Connection.IsBroken);
    }

    [Fact]
    public async Task Should_not_take_its_own_consumers_blocking_for_silence_of_the_source()
    {
        await using SourceFixture source = await SourceAsync();
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var blocked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var consumer = new RecordingConsumer
        {
            Before = async (batch, token) =>
            {
                if (batch.Changes.Length == 0)
                    return;
                blocked.TrySetResult();
                await release.Task.WaitAsync(token);
            },
        };
        await using RunningStream stream = await RunningStream.StartAsync(
            source, consumer, source.Options with { StatusInterval = TimeSpan.FromMilliseconds(200), SilenceLimit = TimeSpan.FromSeconds(1) });
        await source.ExecuteAsync("INSERT INTO t VALUES (1, 'v')");
        await blocked.Task;
        DateTime begun = await source.ScalarAsync<DateTime>("SELECT clock_timestamp()");
        await Wait.UntilAsync(
            async () => await source.ScalarAsync<bool>(
                $"SELECT reply_time > '{begun:O}'::timestamptz + interval '5 s' FROM pg_stat_replication WHERE pid = {stream.Connection.ProcessId}"),
            "the consumer to have blocked for long");
        release.SetResult();

        await source.ExecuteAsync("INSERT INTO t VALUES (2, 'w')");
        await consumer.UntilCommitsAsync(2);
        Assert.False(stream.Completion.IsCompleted);
    }

    [Fact]
    public async Task Should_pass_on_a_consumers_exception()
    {
        await using SourceFixture source = await SourceAsync();
        await source.ExecuteAsync("INSERT INTO t VALUES (1, 'v')");
        var consumer = new RecordingConsumer { Before = (_, _) => throw new InvalidOperationException("the consumer's own") };
        await using RunningStream stream = await RunningStream.StartAsync(source, consumer);
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => stream.Completion);
        Assert.Equal("the consumer's own", error.Message);
    }

    [Fact]
    public async Task Should_report_a_terminated_walsender()
    {
        await using SourceFixture source = await SourceAsync();
        await using RunningStream stream = await RunningStream.StartAsync(source, new RecordingConsumer());
        await replication.Server.KillBackendsAsync($"pid = {stream.Connection.ProcessId}");
        var error = await Assert.ThrowsAsync<PgServerException>(() => stream.Completion);
        Assert.Equal("57P01", error.SqlState);
    }

    [Fact]
    public async Task Should_report_a_missing_publication()
    {
        await using SourceFixture source = await SourceAsync();
        await source.ExecuteAsync("INSERT INTO t VALUES (1, 'v')");
        var consumer = new RecordingConsumer();
        await using RunningStream stream = await RunningStream.StartAsync(source, consumer, source.Options with { Publications = ["pub", "it's \"gone\""] });
        if (stream.Connection.ServerVersion >= 18)
        {
            // Since 18 it is a warning in the server's log only; the comparison of publications finds it (PublicationDrift).
            await consumer.UntilCommitsAsync(1);
            return;
        }

        var error = await Assert.ThrowsAsync<PgServerException>(() => stream.Completion);
        Assert.Equal("42704", error.SqlState);
        Assert.Contains("it's \"gone\"", error.Message);
    }

    [Fact]
    public async Task Should_not_cut_small_transactions_of_a_busy_source()
    {
        await using SourceFixture source = await SourceAsync();
        await source.ExecuteAsync(
            "DO $$ BEGIN FOR n IN 0..299 LOOP INSERT INTO t SELECT i, 'v' FROM generate_series(n * 10, n * 10 + 9) i; COMMIT; END LOOP; END $$");
        var consumer = new RecordingConsumer();
        await using RunningStream stream = await RunningStream.StartAsync(source, consumer, source.Options with { Patience = TimeSpan.FromSeconds(30) });
        await consumer.UntilCommitsAsync(300);
        Assert.All(consumer.Spans, s => Assert.True(s.StartsHere && s.EndsHere));
    }
}
