using System.Buffers.Binary;
using Rosetta.Bench.Reports;
using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Testing.Servers;

namespace Rosetta.Bench.Parking;

/// <summary>
/// What parking costs: the same updates applied by four sessions in turn, each with a table of its own: without parking; with it and nothing parked; with 10,000 keys
/// parked, of which the updates meet one in a thousand of theirs; and where a constraint refuses one update in a thousand.
/// </summary>
static class ParkingBench
{
    const int GroupChanges = 10_000;
    const int TransactionChanges = 100;
    const int ParkedKeys = 10_000;
    const int PoisonEvery = 1_000;
    const string Refuse = "ALTER TABLE stock ADD CONSTRAINT positive CHECK (v >= 0) NOT VALID";

    public static async Task<string> RunAsync(BenchOptions options, Journal journal, CancellationToken cancellationToken)
    {
        var rows = options.Scaled(1_000_000, 10_000);
        var changes = options.Scaled(200_000, GroupChanges);
        var settings = new Dictionary<string, string> { ["shared_buffers"] = "1GB", ["max_wal_size"] = "8GB", ["checkpoint_timeout"] = "30min", ["autovacuum"] = "off" };
        await using var server = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "bench-parking", Durable = true, Settings = settings }, cancellationToken);
        await using var off = await ParkingSubject.CreateAsync("off", server, rows, parks: false, cancellationToken);
        await using var on = await ParkingSubject.CreateAsync("on", server, rows, parks: true, cancellationToken);
        await using var behind = await ParkingSubject.CreateAsync("behind", server, rows, parks: true, cancellationToken);
        await using var poison = await ParkingSubject.CreateAsync("poison", server, rows, parks: true, cancellationToken);
        ParkingSubject[] subjects = [off, on, behind, poison];
        var stream = new Stream(rows);
        await ParkAsync(behind, stream, rows, cancellationToken);
        journal.Say($"{rows:N0} rows each; {behind.Parked:N0} changes parked of {ParkedKeys:N0} keys");
        await poison.ExecuteAsync(Refuse, cancellationToken);
        var seconds = subjects.ToDictionary(s => s, _ => new List<double>());
        // The first round makes plans and statements, and fills the caches.
        for (var round = -1; round < options.Rounds; round++)
        {
            var turn = stream.Next(changes, n => n % PoisonEvery == PoisonEvery / 2);
            foreach (var subject in subjects.Skip((round + 1) % subjects.Length).Concat(subjects.Take((round + 1) % subjects.Length)))
            {
                var groups = turn.Select(t => t.Build(subject.Relation)).ToList();
                await server.ExecuteAsync("CHECKPOINT", cancellationToken: cancellationToken);
                var parked = subject.Parked;
                var taken = await subject.ApplyAsync(groups, cancellationToken);
                groups.ForEach(g => g.Release());
                journal.Say($"round {round + 1}: {subject.Name}: {changes / taken:N0} changes/s, {subject.Parked - parked:N0} parked");
                if (round >= 0)
                    seconds[subject].Add(taken);
            }
        }

        var table = new MarkdownTable("parking", "changes/s", "ratio to off (rounds)", "parked");
        foreach (var subject in subjects)
        {
            var ratios = seconds[subject].Select((s, i) => seconds[off][i] / s).ToList();
            table.Add(
                subject.Name, Figures.Text(changes / Figures.Median(seconds[subject], s => s), 0),
                $"{Figures.Text(Figures.Median(ratios, r => r), 2)} ({string.Join(", ", ratios.Select(r => Figures.Text(r, 2)))})", Figures.Text(subject.Parked, 0));
        }

        return table.ToString();
    }

    /// <summary>A tenth of the keys lies among the table's rows, the others are new rows, so that the updates that follow meet a share of them as in a table ten times as large.</summary>
    static async Task ParkAsync(ParkingSubject subject, Stream stream, long rows, CancellationToken cancellationToken)
    {
        await subject.ExecuteAsync(Refuse, cancellationToken);
        var keys = Enumerable.Range(0, ParkedKeys).Select(i => i % 10 == 0 ? 1 + (i * (rows / ParkedKeys)) : rows + i).ToList();
        foreach (var part in keys.Chunk(GroupChanges / 4))
        {
            var group = stream.Of(part.Select(k => (k, -1))).Build(subject.Relation);
            await subject.ApplyAsync([group], cancellationToken);
            group.Release();
        }

        await subject.ExecuteAsync("ALTER TABLE stock DROP CONSTRAINT positive", cancellationToken);
    }

    /// <summary>A group of changes, for whichever relation.</summary>
    sealed record Turn(ulong From, IReadOnlyList<(long Id, int Value)> Changes)
    {
        public ChangeBatch Build(Relation relation)
        {
            var builder = new ChangeBatchBuilder();
            var tuple = new byte[2 + 5 + 8 + 5 + 4 + 5 + 60];
            var at = From;
            foreach (var transaction in Changes.Chunk(TransactionChanges))
            {
                builder.Begin((uint)at, new Lsn(at), 0);
                foreach (var (id, value) in transaction)
                {
                    Write(tuple, id, value);
                    builder.AddUpdate(relation, ChangeFlags.None, default, tuple);
                }

                builder.Commit(new Lsn(at + 1));
                at += 8;
            }

            return builder.Build();
        }

        static void Write(Span<byte> tuple, long id, int value)
        {
            BinaryPrimitives.WriteInt16BigEndian(tuple, 3);
            tuple[2] = (byte)ValueKind.Binary;
            BinaryPrimitives.WriteInt32BigEndian(tuple[3..], 8);
            BinaryPrimitives.WriteInt64BigEndian(tuple[7..], id);
            tuple[15] = (byte)ValueKind.Binary;
            BinaryPrimitives.WriteInt32BigEndian(tuple[16..], 4);
            BinaryPrimitives.WriteInt32BigEndian(tuple[20..], value);
            tuple[24] = (byte)ValueKind.Binary;
            BinaryPrimitives.WriteInt32BigEndian(tuple[25..], 60);
            tuple[29..].Fill((byte)'u');
        }
    }

    /// <summary>Makes groups at rising positions.</summary>
    sealed class Stream(long rows)
    {
        readonly Random _random = new(42);
        ulong _at = 1000;

        public Turn Of(IEnumerable<(long Id, int Value)> changes)
        {
            var turn = new Turn(_at, [.. changes]);
            _at += (ulong)(turn.Changes.Count + TransactionChanges) * 8;
            return turn;
        }

        /// <param name="isPoison">By number: a change that the constraint refuses.</param>
        public List<Turn> Next(long changes, Func<int, bool> isPoison) =>
            [.. Enumerable.Range(0, (int)(changes / GroupChanges)).Select(_ => Of(Enumerable.Range(0, GroupChanges).Select(n => (1 + _random.NextInt64(rows), isPoison(n) ? -1 : n))))];
    }
}
