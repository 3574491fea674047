using System.Buffers.Binary;
using System.Text;
using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Transforms.Compilation;
using Rosetta.Transforms.Engine;
using Rosetta.Transforms.Rewriting;
using Rosetta.Transforms.Types;
using Xunit;

namespace Rosetta.Transforms.Tests.Rewriting;

/// <summary>What becomes of inserts, updates and deletes behind a filter, with and without the old row.</summary>
public sealed class RewritingTests : IDisposable
{
    const string Null = "(null)";
    const string Unchanged = "(unchanged)";

    readonly DuckEngine _engine = new();

    public void Dispose() => _engine.Dispose();

    static Relation RelationOf(ReplicaIdentity identity, string name = "t") => new(
        7, "public", name, identity,
        [
            new RelationColumn("id", 20, -1, true), new RelationColumn("open", 16, -1, identity == ReplicaIdentity.Full),
            new RelationColumn("body", 25, -1, identity == ReplicaIdentity.Full), new RelationColumn("other", 25, -1, identity == ReplicaIdentity.Full),
        ]);

    RelationRewriter Rewriter(Relation relation, string? filter, string? custom)
    {
        var columns = relation.Columns.Select(c => new SourceColumn(c.Name, c.TypeOid, c.TypeModifier, "x")).ToList();
        var compiled = TransformCompiler.Compile(new TransformRequest(new TableName("public", relation.Name), columns, ["id"], null, filter, custom), _engine);
        Assert.True(compiled.Transform is not null, compiled.Describe());
        return new RelationRewriter(compiled.Transform!, relation, _engine);
    }

    static byte[] Tuple(params string[] values)
    {
        using var bytes = new MemoryStream();
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt16BigEndian(number, (short)values.Length);
        bytes.Write(number[..2]);
        foreach (var value in values)
        {
            if (value is Null or Unchanged)
            {
                bytes.WriteByte((byte)(value == Null ? ValueKind.Null : ValueKind.Unchanged));
                continue;
            }

            var text = Encoding.UTF8.GetBytes(value);
            bytes.WriteByte((byte)ValueKind.Text);
            BinaryPrimitives.WriteInt32BigEndian(number, text.Length);
            bytes.Write(number);
            bytes.Write(text);
        }

        return bytes.ToArray();
    }

    static string Describe(ChangeBatch batch, in Change change)
    {
        string Read(int offset)
        {
            if (offset < 0)
                return "-";
            var reader = new TupleReader(batch.Bytes, offset);
            var values = new List<string>();
            while (reader.Read())
            {
                values.Add(reader.Kind switch
                {
                    ValueKind.Null => Null,
                    ValueKind.Unchanged => Unchanged,
                    _ => Encoding.UTF8.GetString(reader.Value),
                });
            }

            Assert.True(reader.Offset <= batch.Bytes.Length);
            return string.Join('|', values);
        }

        return $"{change.Kind} {change.Flags}: {Read(change.Old)} > {Read(change.New)}";
    }

    string[] Rewrite(Relation relation, string? filter, string? custom, Action<ChangeBatchBuilder> changes)
    {
        var builder = new ChangeBatchBuilder();
        builder.Begin(9, new Lsn(100), 5);
        changes(builder);
        builder.Commit(new Lsn(200));
        var batch = builder.Build();
        using var rewriter = Rewriter(relation, filter, custom);
        var rewritten = BatchRewriter.Rewrite(batch, [.. batch.Relations.Select(r => ReferenceEquals(r, relation) ? rewriter : null)], new bool[batch.Relations.Count], (_, _) => false, out _);
        Assert.Equal(batch.Transactions.ToArray(), rewritten.Transactions.ToArray());
        Assert.Equal(batch.Changes.Length, rewritten.Changes.Length);
        Assert.Equal(batch.DeliveredUpTo, rewritten.DeliveredUpTo);
        string[] described = [.. rewritten.Changes.ToArray().Select(c => Describe(rewritten, c))];
        rewritten.Release();
        batch.Release();
        return described;
    }

    [Fact]
    public void Should_know_both_sides_of_the_filter_under_a_full_identity()
    {
        var table = RelationOf(ReplicaIdentity.Full);
        var kept = Rewrite(table, "open", "SELECT id, upper(body) AS up, other FROM t", b =>
        {
            b.AddInsert(table, Tuple("1", "t", "a", "x"));
            b.AddInsert(table, Tuple("2", "f", "a", "x"));
            b.AddUpdate(table, ChangeFlags.OldIsFull, Tuple("1", "t", "a", "x"), Tuple("1", "t", Unchanged, "y"));
            b.AddUpdate(table, ChangeFlags.OldIsFull, Tuple("1", "t", "a", "y"), Tuple("1", "f", Unchanged, "y"));
            b.AddUpdate(table, ChangeFlags.OldIsFull, Tuple("1", "f", "a", "y"), Tuple("1", "f", "b", "y"));
            b.AddUpdate(table, ChangeFlags.OldIsFull, Tuple("1", Null, "b", "y"), Tuple("3", "t", Unchanged, Unchanged));
            b.AddDelete(table, ChangeFlags.OldIsFull, Tuple("3", "t", "b", "y"));
            b.AddDelete(table, ChangeFlags.OldIsFull, Tuple("2", "f", "a", "x"));
            b.AddTruncate([table], ChangeFlags.TruncateCascade);
        });

        Assert.Equal(
        [
            "Insert None: - > 1|A|x",
            "Filtered None: - > -",
            "Update OldIsFull: 1|A|x > 1|A|y",
            "Delete OldIsFull: 1|A|y > -",
            "Filtered None: - > -",
            "Insert None: - > 3|B|y",
            "Delete OldIsFull: 3|B|y > -",
            "Filtered None: - > -",
            "Truncate TruncateCascade: - > -",
        ], kept);
    }

    [Fact]
    public void Should_say_that_a_row_may_be_absent_where_the_old_one_is_not_known()
    {
        var table = RelationOf(ReplicaIdentity.Default);
        var kept = Rewrite(table, "open", "SELECT id, upper(body) AS up, other FROM t", b =>
        {
            b.AddInsert(table, Tuple("1", "t", "a", "x"));
            b.AddUpdate(table, ChangeFlags.None, default, Tuple("1", "t", "b", Unchanged));
            b.AddUpdate(table, ChangeFlags.None, default, Tuple("1", "f", "b", Unchanged));
            b.AddUpdate(table, ChangeFlags.OldIsKey, Tuple("1", Null, Null, Null), Tuple("4", "t", Unchanged, "y"));
            b.AddUpdate(table, ChangeFlags.OldIsKey, Tuple("4", Null, Null, Null), Tuple("5", "f", "c", "y"));
            b.AddDelete(table, ChangeFlags.OldIsKey, Tuple("5", Null, Null, Null));
        });

        Assert.Equal(
        [
            "Insert None: - > 1|A|x",
            "Update MayBeAbsent: - > 1|B|(unchanged)",
            "Delete OldIsKey, MayBeAbsent: 1|(null)|(null) > -",
            "Update OldIsKey, MayBeAbsent: 1|(null)|(null) > 4|(unchanged)|y",
            "Delete OldIsKey, MayBeAbsent: 4|(null)|(null) > -",
            "Delete OldIsKey, MayBeAbsent: 5|(null)|(null) > -",
        ], kept);
    }

    [Fact]
    public void Should_leave_changes_of_other_tables_and_their_bytes_alone()
    {
        var table = RelationOf(ReplicaIdentity.Default);
        var other = RelationOf(ReplicaIdentity.Default, "o");
        var kept = Rewrite(table, null, "SELECT id, other AS renamed FROM t", b =>
        {
            b.AddInsert(other, Tuple("1", "t", "a", "x"));
            b.AddInsert(table, Tuple("2", "t", "a", "x"));
            b.AddUpdate(other, ChangeFlags.OldIsKey, Tuple("1", Null, Null, Null), Tuple("3", "t", Unchanged, "y"));
            b.AddUpdate(table, ChangeFlags.OldIsKey, Tuple("2", Null, Null, Null), Tuple("4", "t", Unchanged, Unchanged));
            b.AddDelete(table, ChangeFlags.OldIsKey, Tuple("4", Null, Null, Null));
        });

        Assert.Equal(
        [
            "Insert None: - > 1|t|a|x",
            "Insert None: - > 2|x",
            "Update OldIsKey: 1|(null)|(null)|(null) > 3|t|(unchanged)|y",
            "Update OldIsKey: 2|(null) > 4|(unchanged)",
            "Delete OldIsKey: 4|(null) > -",
        ], kept);
    }

    [Theory]
    [InlineData("length(body) > 1", null, "body")]
    [InlineData(null, "SELECT id, body || other AS both FROM t", "body")]
    public void Should_stop_at_an_update_that_does_not_bring_what_is_needed(string? filter, string? custom, string column)
    {
        var table = RelationOf(ReplicaIdentity.Default);

        var stop = Assert.Throws<TransformStopException>(() => Rewrite(table, filter, custom, b =>
        {
            b.AddInsert(table, Tuple("1", "t", "aa", "x"));
            b.AddUpdate(table, ChangeFlags.None, default, Tuple("1", "t", Unchanged, "y"));
        }));

        Assert.Contains($"column {column}", stop.Message, StringComparison.Ordinal);
        Assert.Contains("REPLICA IDENTITY FULL", stop.Remedy, StringComparison.Ordinal);
        Assert.Equal(new Position(new Lsn(100), 1), stop.At);
        Assert.Equal("id=1", stop.Key);
    }

    [Fact]
    public void Should_name_the_change_whose_expression_fails()
    {
        var table = RelationOf(ReplicaIdentity.Full);

        var stop = Assert.Throws<TransformStopException>(() => Rewrite(table, "open", "SELECT id, body::INTEGER AS n FROM t", b =>
        {
            b.AddInsert(table, Tuple("1", "t", "5", "x"));
            b.AddInsert(table, Tuple("2", "f", "no", "x"));
            b.AddUpdate(table, ChangeFlags.OldIsFull, Tuple("3", "t", "7", "x"), Tuple("3", "t", "seven", "x"));
        }));

        Assert.Equal(new Position(new Lsn(100), 2), stop.At);
        Assert.Equal("id=3", stop.Key);
        Assert.Contains("TRY_CAST", stop.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void Should_let_nothing_of_a_dropped_table_through()
    {
        var table = RelationOf(ReplicaIdentity.Default);
        var builder = new ChangeBatchBuilder();
        builder.Begin(9, new Lsn(100), 5);
        builder.AddInsert(table, Tuple("1", "t", "secret", "x"));
        builder.AddTruncate([table], ChangeFlags.None);
        builder.Commit(new Lsn(200));
        var batch = builder.Build();

        var rewritten = BatchRewriter.Rewrite(batch, [null], [true], (_, _) => false, out _);

        Assert.Equal(["Filtered None: - > -", "Truncate None: - > -"], rewritten.Changes.ToArray().Select(c => Describe(rewritten, c)));
        rewritten.Release();
        batch.Release();
    }

    [Fact]
    public void Should_keep_key_marks_and_types_in_the_relation_that_goes_out()
    {
        using var full = Rewriter(RelationOf(ReplicaIdentity.Full), null, "SELECT id, body AS text, length(body) AS n FROM t");
        using var byKey = Rewriter(RelationOf(ReplicaIdentity.Default), null, "SELECT id, body AS text, length(body) * 1.5 AS n FROM t");

        Assert.Equal([("id", 20u, -1, true), ("text", 25u, -1, true), ("n", 20u, -1, true)], full.Output.Columns.Select(c => (c.Name, c.TypeOid, c.TypeModifier, c.IsKey)));
        Assert.Equal([true, false, false], byKey.Output.Columns.Select(c => c.IsKey));
        Assert.Equal(1700u, byKey.Output.Columns[2].TypeOid);
        Assert.NotEqual(-1, byKey.Output.Columns[2].TypeModifier);
    }
}
