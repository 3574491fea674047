using System.Globalization;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using StackExchange.Redis;

namespace Rosetta.Store.DeadLetters;

/// <content>Reading: positions first, in order, then the entries of each table.</content>
public sealed partial class RedisDeadLetterStore
{
    /// <summary>Of one answer.</summary>
    const int AnswerBytes = 16 << 20;

    public async Task<IReadOnlyList<DeadLetter>> ReadAsync(
        DeadLetterQueue queue, TableName? table, Position? after, int limit, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(queue);
        var source = table is { } one ? _keys.Index(queue, one) : _keys.All(queue);
        // Behind every member of that position, with whatever table: UTF-8 has no byte 0xFF.
        RedisValue from = after is { } position ? (byte[])[.. System.Text.Encoding.ASCII.GetBytes($"({RedisEntry.Of(position)}"), 0xFF] : "-";
        var found = new List<DeadLetter>();
        while (found.Count < limit)
        {
            var asked = Math.Min(limit - found.Count, ScriptEntries);
            var answer = await RunAsync(RedisScripts.Positions, [_keys.Marker, source], [from, asked], cancellationToken).ConfigureAwait(false);
            var members = Texts(answer).Select(member => (
                Table: table ?? TableName.Parse(member[RedisEntry.PositionLength..]), At: RedisEntry.ReadPosition(member), Member: member)).ToArray();
            // What is taken out between the two is left out: then more is asked for.
            var entries = new List<DeadLetter>();
            foreach (var group in members.GroupBy(m => m.Table))
                entries.AddRange(await FetchAsync(queue, group.Key, [.. group.Select(m => m.At)], cancellationToken).ConfigureAwait(false));
            found.AddRange(entries.OrderBy(e => e.At).ThenBy(e => e.Table.ToString(), StringComparer.Ordinal));
            if (members.Length < asked) break;
            from = $"({members[^1].Member}";
        }

        return found;
    }

    public async Task<IReadOnlyList<DeadLetter>> ReadAsync(
        DeadLetterQueue queue, TableName table, IReadOnlyList<Position> at, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(queue);
        var found = new List<DeadLetter>();
        foreach (var part in at.Distinct().Order().Chunk(ScriptEntries))
            found.AddRange(await FetchAsync(queue, table, part, cancellationToken).ConfigureAwait(false));
        return found;
    }

    public async Task<IReadOnlyList<DeadLetterGroup>> SummarizeAsync(DeadLetterQueue queue, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(queue);
        var groups = new List<DeadLetterGroup>();
        var tables = Texts(await RunAsync(RedisScripts.Tables, [_keys.Marker, _keys.Tables(queue)], [], cancellationToken).ConfigureAwait(false));
        foreach (var table in tables.Order(StringComparer.Ordinal).Select(t => TableName.Parse(t)))
        {
            var meta = Texts(await RunAsync(RedisScripts.Summary, [_keys.Marker, _keys.Meta(queue, table)], [], cancellationToken).ConfigureAwait(false));
            foreach (var group in Enumerable.Range(0, meta.Length / 2).Select(i => (At: meta[2 * i], Meta: meta[(2 * i) + 1].Split('|'))).GroupBy(m => (m.Meta[3], m.Meta[4])))
            {
                var (errorClass, sqlState) = group.Key;
                var first = RedisEntry.ReadPosition(group.Select(m => m.At).Min(StringComparer.Ordinal)!);
                var example = errorClass.Length == 0 ? [] : await FetchAsync(queue, table, [first], cancellationToken).ConfigureAwait(false);
                groups.Add(new DeadLetterGroup(
                    table, errorClass.Length == 0 ? null : DeadLetterText.ReadClass(errorClass), sqlState.Length == 0 ? null : sqlState, group.LongCount(),
                    group.Sum(m => long.Parse(m.Meta[1], CultureInfo.InvariantCulture)), RedisEntry.Time(group.Min(m => ParkedAt(m.Meta))),
                    RedisEntry.Time(group.Max(m => ParkedAt(m.Meta))), example.Count == 0 ? null : example[0].Failure?.Error));
            }
        }

        return groups;

        static long ParkedAt(string[] meta) => long.Parse(meta[2], CultureInfo.InvariantCulture);
    }

    /// <param name="at">In order.</param>
    async Task<List<DeadLetter>> FetchAsync(DeadLetterQueue queue, TableName table, Position[] at, CancellationToken cancellationToken)
    {
        var found = new List<DeadLetter>(at.Length);
        for (var looked = 0; looked < at.Length;)
        {
            var answer = await RunAsync(
                RedisScripts.Fetch, [_keys.Marker, _keys.Stream(queue, table), _keys.Meta(queue, table), _keys.Tries(queue, table)],
                [AnswerBytes, .. at.Skip(looked).Select(p => (RedisValue)RedisEntry.Of(p))], cancellationToken).ConfigureAwait(false);
            if (Says(answer, RedisScripts.Gone))
                throw new DeadLetterStoreException(StoreFaults.EntryLost(_connection.Where, _keys.Stream(queue, table)!));
            looked += (int)answer[0];
            for (var i = 1; i < answer.Length; i++) found.Add(RedisEntry.Read(table, answer[i]));
        }

        return found;
    }

    static string[] Texts(RedisResult answer) => [.. ((string?[]?)answer ?? []).Select(text => text!)];
}
