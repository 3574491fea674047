using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Tests.Changes;
using Xunit;

namespace Rosetta.Core.Tests.DeadLetters;

public sealed class ParkedEditTests
{
    static readonly Relation Relation = new(
        7, "public", "t", ReplicaIdentity.Default, [new RelationColumn("id", 23, -1, true), new RelationColumn("v", 25, -1, false), new RelationColumn("w", 25, -1, false)]);

    static readonly ParkedChange Update = new(Relation, ChangeKind.Update, ChangeFlags.None, default, Tuples.Text("1", "old", Tuples.Null));

    static ParkedChange? Apply(ParkedChange change, string column, EditedValue value, out string? problem) =>
        ParkedEdit.Apply(change, new Dictionary<string, EditedValue> { [column] = value }, ["id"], out problem);

    [Fact]
    public void Should_replace_the_named_values_and_nothing_else()
    {
        var edited = ParkedEdit.Apply(
            Update, new Dictionary<string, EditedValue> { ["v"] = EditedValue.Null, ["w"] = ParkedEdit.Text("größer") }, ["id"], out var problem)!;
        Assert.Null(problem);
        Assert.Equal(Tuples.Text("1", Tuples.Null, "größer"), edited.New.ToArray());
        // What a payload holds is what it was made of.
        var read = ParkedChange.Decode(edited.Encode());
        Assert.Equal((edited.Kind, edited.Flags, 0), (read.Kind, read.Flags, read.Old.Length));
        Assert.Equal(edited.New.ToArray(), read.New.ToArray());
        Assert.True(read.Relation.HasShapeOf(Relation));
    }

    [Fact]
    public void Should_refuse_another_key_and_take_the_same_one()
    {
        Assert.Null(Apply(Update, "id", ParkedEdit.Text("2"), out var problem));
        Assert.Contains("key", problem, StringComparison.Ordinal);
        Assert.Null(Apply(Update, "id", EditedValue.Null, out problem));
        Assert.NotNull(problem);
        Assert.NotNull(Apply(Update, "id", ParkedEdit.Text("1"), out problem));
        Assert.Null(problem);
    }

    [Fact]
    public void Should_refuse_unknown_columns_and_a_delete()
    {
        Assert.Null(Apply(Update, "nope", EditedValue.Null, out var problem));
        Assert.Contains("nope", problem, StringComparison.Ordinal);
        Assert.Contains("id, v, w", problem, StringComparison.Ordinal);
        Assert.Contains("delete", ParkedEdit.Refuse(new ParkedChange(Relation, ChangeKind.Delete, ChangeFlags.OldIsKey, Tuples.Text("1"), default), ["v"]), StringComparison.Ordinal);
    }

    [Fact]
    public void Should_want_the_form_in_which_the_column_came()
    {
        Assert.Equal(ValueKind.Text, ParkedEdit.FormOf(Update, "v"));
        Assert.Equal(ValueKind.Binary, ParkedEdit.FormOf(Update, "w"));
        Assert.Equal(ValueKind.Text, ParkedEdit.FormOf(Update with { Old = Tuples.Text("1", "old", "old") }, "w"));
    }
}
