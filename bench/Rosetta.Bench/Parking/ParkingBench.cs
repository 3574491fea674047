using System.Buffers.Binary;
using Rosetta.Bench.Reports;
using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Testing.Servers;

namespace Rosetta.Bench.Parking;

/// <summary>
/// What parking costs: the same updates applied by four sessions, group by group, each with a table of 10 M rows of its own: without parking; with it and nothing parked;
/// with 10,000 keys parked, which one update in a thousand meets; and where a constraint refuses one update in a thousand.
/// </summary>
static class ParkingBench
{
    const long FullRows = 10_000_000;
    const int GroupChanges = 10_000;
    const int TransactionChanges = 100;
    const int ParkedKeys = 10_000;
    const int PoisonEvery = 1_000;
    const string Refuse = "ALTER TABLE stock ADD CONSTRAINT positive CHECK (v >= 0) NOT VALID";

    public static async Task<string> RunAsync(BenchOptions options, Journal journal, CancellationToken cancellationToken)
    {
        var rows = options.Scaled(FullRows, 10_000);
        var groups = (int)(options.Scaled(200_000, GroupChanges) / GroupChanges);
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
        var costs = subjects.ToDictionary(s => s, _ => new List<ApplyCost>());
        // The first round makes plans and statements, and fills the caches.
        for (var round = -1; round < options.Rounds; round++)
        {
            await server.ExecuteAsync("CHECKPOINT", cancellationToken: cancellationToken);
            foreach (var (number, turn) in stream.Next(groups * GroupChanges, n => n % PoisonEvery == PoisonEvery / 2).Index())
            {
                // Side by side, so that what else the machine does meets all alike; each is the first as often as the others.
                for (var i = 0; i < subjects.Length; i++)
                {
                    var subject = subjects[(i + number) % subjects.Length];
                    var group = turn.Build(subject.Relation);
                    var cost = await subject.ApplyAsync(group, cancellationToken);
                    group.Release();
                    if (round >= 0)
                        costs[subject].Add(cost);
                }
            }

            journal.Say($"round {round + 1} of {options.Rounds}: {string.Join(", ", subjects.Select(s => $"{s.Name}: {s.Parked:N0} parked"))}");
        }

        var table = new MarkdownTable("parking", "changes/s", "speed of the session without, median of the groups (95 % interval)", "the same of CPU time", "parked");
        foreach (var subject in subjects)
            table.Add(
                subject.Name, Figures.Text(GroupChanges / Figures.Median(costs[subject], c => c.Seconds).Seconds, 0), Ratio(costs[off], costs[subject]),
                Figures.Text(costs[off].Sum(c => c.CpuSeconds) / costs[subject].Sum(c => c.CpuSeconds), 3), Figures.Text(subject.Parked, 0));
        return table.ToString();
    }

    /// <summary>The median of the ratios of groups that had the same turn, and the order statistics between which it lies with 95 %.</summary>
    static string Ratio(List<ApplyCost> off, List<ApplyCost> with)
    {
        var ratios = with.Select((c, i) => off[i].Seconds / c.Seconds).Order().ToList();
        var away = (int)Math.Ceiling(0.98 * Math.Sqrt(ratios.Count));
        var middle = ratios.Count / 2;
        return $"{Figures.Text(ratios[middle], 3)} ({Figures.Text(ratios[Math.Max(0, middle - away)], 3)} to {Figures.Text(ratios[Math.Min(ratios.Count - 1, middle + away)], 3)})";
    }

    /// <summary>So many of the keys lie among the table's rows that the updates that follow meet the share of them that they meet in the full table; the others are new rows.</summary>
    static async Task ParkAsync(ParkingSubject subject, Stream stream, long rows, CancellationToken cancellationToken)
    {
        await subject.ExecuteAsync(Refuse, cancellationToken);
        var among = Math.Min(ParkedKeys, ParkedKeys * rows / FullRows);
        var keys = Enumerable.Range(0, ParkedKeys).Select(i => i < among ? 1 + (i * (rows / among)) : rows + i).ToList();
        foreach (var part in keys.Chunk(GroupChanges / 4))
        {
            var group = stream.Of(part.Select(k => (k, -1))).Build(subject.Relation);
            await subject.ApplyAsync(group, cancellationToken);
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
