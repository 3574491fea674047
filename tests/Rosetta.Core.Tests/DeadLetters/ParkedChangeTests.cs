using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Tests.Changes;
using Xunit;

namespace Rosetta.Core.Tests.DeadLetters;

public sealed class ParkedChangeTests
{
    static readonly byte[] Old = Tuples.Text("1", Tuples.Null);
    static readonly byte[] New = Tuples.Text("1", "größer");

    public static TheoryData<ChangeKind, ChangeFlags, bool, bool> Changes => new()
    {
        { ChangeKind.Insert, ChangeFlags.None, false, true },
        { ChangeKind.Update, ChangeFlags.None, false, true },
        { ChangeKind.Update, ChangeFlags.OldIsKey, true, true },
        { ChangeKind.Update, ChangeFlags.OldIsFull | ChangeFlags.MayBeAbsent, true, true },
        { ChangeKind.Update, ChangeFlags.CountsAsInsert | ChangeFlags.CountsAsDelete, false, true },
        { ChangeKind.Delete, ChangeFlags.OldIsKey, true, false },
        { ChangeKind.Delete, ChangeFlags.OldIsFull | ChangeFlags.MayBeAbsent, true, false },
        { ChangeKind.Truncate, ChangeFlags.TruncateCascade | ChangeFlags.TruncateRestartIdentity | ChangeFlags.TruncateContinues, false, false },
        { ChangeKind.Filtered, ChangeFlags.None, false, false },
    };

    [Theory]
    [MemberData(nameof(Changes))]
    public void Should_give_back_what_was_encoded(ChangeKind kind, ChangeFlags flags, bool hasOld, bool hasNew)
    {
        var parked = ParkedChange.Decode(Encode(Relation, kind, flags, hasOld ? Old : null, hasNew ? New : null));

        Assert.Equal((kind, flags), (parked.Kind, parked.Flags));
        Assert.Equal(hasOld ? Old : [], parked.Old.ToArray());
        Assert.Equal(hasNew ? New : [], parked.New.ToArray());
        Assert.Equal((Relation.Id, Relation.Schema, Relation.Name), (parked.Relation.Id, parked.Relation.Schema, parked.Relation.Name));
        Assert.True(parked.Relation.HasShapeOf(Relation));
    }

    [Fact]
    public void Should_keep_every_identity_and_a_table_without_columns()
    {
        foreach (var identity in Enum.GetValues<ReplicaIdentity>())
        {
            var relation = new Relation(1, "public", "bare", identity, []);
            var parked = ParkedChange.Decode(Encode(relation, ChangeKind.Insert, ChangeFlags.None, null, Tuples.Text()));
            Assert.True(parked.Relation.HasShapeOf(relation));
            Assert.Equal(Tuples.Text(), parked.New.ToArray());
        }
    }

    [Fact]
    public void Should_tell_an_absent_tuple_from_one_without_columns()
    {
        var parked = ParkedChange.Decode(Encode(Relation, ChangeKind.Update, ChangeFlags.OldIsKey, Tuples.Text(), Tuples.Text()));

        Assert.Equal((2, 2), (parked.Old.Length, parked.New.Length));
        Assert.Equal(0, ParkedChange.Decode(Encode(Relation, ChangeKind.Update, ChangeFlags.None, null, Tuples.Text())).Old.Length);
    }

    [Fact]
    public void Should_say_that_a_payload_of_a_later_version_needs_a_newer_node()
    {
        var payload = Encode(Relation, ChangeKind.Insert, ChangeFlags.None, null, New);
        payload[0] = 2;

        var error = Assert.Throws<FormatException>(() => ParkedChange.Decode(payload));

        Assert.Contains("version 2", error.Message, StringComparison.Ordinal);
        Assert.Contains("older than the one that wrote it", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Should_refuse_a_payload_that_is_cut_anywhere_or_goes_on()
    {
        var payload = Encode(Relation, ChangeKind.Update, ChangeFlags.OldIsFull, Old, New);

        for (var length = 0; length < payload.Length; length++)
            Assert.Throws<FormatException>(() => ParkedChange.Decode(payload.AsMemory(0, length)));
        Assert.Throws<FormatException>(() => ParkedChange.Decode((byte[])[.. payload, 0]));
    }

    [Fact]
    public void Should_answer_damage_with_nothing_but_a_format_error()
    {
        var payload = Encode(Relation, ChangeKind.Update, ChangeFlags.OldIsFull, Old, New);
        for (var at = 0; at < payload.Length; at++)
        {
            foreach (var value in new byte[] { 0, 0x7F, 0x80, 0xFF })
            {
                var damaged = (byte[])payload.Clone();
                damaged[at] = value;
                var error = Record.Exception(() => ParkedChange.Decode(damaged));
                Assert.True(error is null or FormatException, $"byte {at} = {value}: {error}");
            }
        }
    }

    static Relation Relation => new(
        uint.MaxValue, "größe", "a\"b.c", ReplicaIdentity.Index,
        [new RelationColumn("id", 20, -1, true), new RelationColumn("n", 1700, 655366, false)]);

    // As in a batch: the change lies between others.
    static byte[] Encode(Relation relation, ChangeKind kind, ChangeFlags flags, byte[]? old, byte[]? fresh)
    {
        byte[] bytes = [9, 9, 9, .. old ?? [], .. fresh ?? [], 8, 8];
        var end = bytes.Length - 2;
        return ParkedChange.Encode(
            relation, bytes, new Change(kind, flags, 0, old is null ? -1 : 3, fresh is null ? -1 : end - fresh.Length, end));
    }
}
