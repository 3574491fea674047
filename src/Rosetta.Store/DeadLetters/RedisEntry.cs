using System.Globalization;
using System.Text.Json;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using StackExchange.Redis;

namespace Rosetta.Store.DeadLetters;

/// <summary>Entries as Redis holds them: texts, with empty ones for what is absent, and the payload as it is.</summary>
static class RedisEntry
{
    /// <summary>Hexadecimal digits of a position: their order as text is that of positions.</summary>
    public const int PositionLength = 32;

    public static string Of(Position at) => string.Create(CultureInfo.InvariantCulture, $"{at.Commit.Value:X16}{at.Ordinal:X16}");

    public static Position ReadPosition(string text) => new(
        new Lsn(ulong.Parse(text.AsSpan(0, 16), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)),
        long.Parse(text.AsSpan(16, 16), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));

    /// <summary>In the order of <see cref="RedisScripts.Append"/>.</summary>
    public static void AddTo(List<RedisValue> values, DeadLetter entry, int table)
    {
        values.Add(table);
        values.Add(entry.Table.ToString());
        values.Add(Of(entry.At));
        values.Add(DeadLetterText.Of(entry.Kind));
        values.Add(JsonSerializer.Serialize(entry.Key));
        values.Add(Class(entry.Failure));
        values.Add(entry.Failure?.Error ?? "");
        values.Add(entry.Failure?.SqlState ?? "");
        values.Add(Microseconds(entry.ParkedAt));
        values.Add(entry.Xid);
        values.Add(entry.CommitTime);
        values.Add(entry.Payload);
        values.Add(entry.Payload.Length);
        values.Add(entry.Tries == 0 && entry.LastTriedAt is null ? "" : string.Create(
            CultureInfo.InvariantCulture,
            $"{entry.Tries}|{(entry.LastTriedAt is { } tried ? Microseconds(tried) : -1)}|{Class(entry.Failure)}|{entry.Failure?.SqlState}|{entry.Failure?.Error}"));
    }

    /// <summary>In the order of <see cref="RedisScripts.Tries"/>.</summary>
    public static void AddTo(List<RedisValue> values, TriedEntry tried, int table)
    {
        values.Add(table);
        values.Add(Of(tried.Last.At));
        values.Add(tried.Tries);
        values.Add(Microseconds(tried.Last.TriedAt));
        values.Add(Class(tried.Last.Failure));
        values.Add(tried.Last.Failure.SqlState ?? "");
        values.Add(tried.Last.Failure.Error);
    }

    /// <param name="found">Position, fields and tries, as <see cref="RedisScripts.Fetch"/> gives them.</param>
    public static DeadLetter Read(TableName table, RedisResult found)
    {
        var fields = new Dictionary<string, RedisValue>(StringComparer.Ordinal);
        for (var i = 0; i < found[1].Length; i += 2) fields[(string)found[1][i]!] = (RedisValue)found[1][i + 1];
        var entry = new DeadLetter(
            table, ReadPosition((string)found[0]!), (uint)fields["xid"], (long)fields["commit_time"], DeadLetterText.ReadKind(fields["kind"]!),
            JsonSerializer.Deserialize<string[]>((string)fields["key"]!)!, (byte[])fields["payload"]!,
            Failure(fields["error_class"]!, fields["sqlstate"]!, fields["error"]!), Time((long)fields["parked_at"]));
        if ((string)found[2]! is not { Length: > 0 } tries) return entry;
        var parts = tries.Split('|', 5);
        var last = long.Parse(parts[1], CultureInfo.InvariantCulture);
        return entry with
        {
            Tries = int.Parse(parts[0], CultureInfo.InvariantCulture),
            LastTriedAt = last < 0 ? null : Time(last),
            Failure = Failure(parts[2], parts[3], parts[4]),
        };
    }

    public static DateTimeOffset Time(long microseconds) => DateTimeOffset.UnixEpoch.AddTicks(microseconds * TimeSpan.TicksPerMicrosecond);

    static long Microseconds(DateTimeOffset time) => (time - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;

    static string Class(DeadLetterFailure? failure) => failure is null ? "" : DeadLetterText.Of(failure.Class);

    static DeadLetterFailure? Failure(string errorClass, string sqlState, string error) =>
        errorClass.Length == 0 ? null : new DeadLetterFailure(DeadLetterText.ReadClass(errorClass), error, sqlState.Length == 0 ? null : sqlState);
}
