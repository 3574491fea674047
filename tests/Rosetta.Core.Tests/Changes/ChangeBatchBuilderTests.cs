using CsCheck;
using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Xunit;

namespace Rosetta.Core.Tests.Changes;

public sealed class ChangeBatchBuilderTests
{
    static readonly Relation Orders = Tuples.Relation("orders");
    static readonly Relation Items = Tuples.Relation("items", 2);
    readonly ChangeBatchBuilder _builder = new();

    [Fact]
    public void Should_gather_whole_transactions_with_their_changes()
    {
        _builder.Begin(7, new Lsn(100), 5_000_000);
        _builder.AddInsert(Orders, Tuples.Text("1", "a"));
        _builder.AddUpdate(Items, ChangeFlags.OldIsKey, Tuples.Text("1", Tuples.Null), Tuples.Text("2", Tuples.Unchanged));
        _builder.Commit(new Lsn(110));
        _builder.Begin(8, new Lsn(120), 6_000_000);
        _builder.AddDelete(Orders, ChangeFlags.OldIsFull, Tuples.Text("1", "a"));
        _builder.Commit(new Lsn(130));
        var batch = _builder.Build();

        Assert.Equal(
            [
                new TransactionSpan(7, new Lsn(100), new Lsn(110), 5_000_000, 0, 2, 0, true, true),
                new TransactionSpan(8, new Lsn(120), new Lsn(130), 6_000_000, 2, 1, 0, true, true),
            ],
            batch.Transactions.ToArray());
        Assert.Equal([Orders, Items], batch.Relations);
        var changes = batch.Changes.ToArray();
        Assert.Equal((ChangeKind.Insert, 0, false, true), (changes[0].Kind, changes[0].Relation, changes[0].HasOld, changes[0].HasNew));
        Assert.Equal(["1", "a"], Tuples.Read(batch, changes[0].New));
        Assert.Equal((ChangeKind.Update, ChangeFlags.OldIsKey, 1), (changes[1].Kind, changes[1].Flags, changes[1].Relation));
        Assert.Equal(["1", Tuples.Null], Tuples.Read(batch, changes[1].Old));
        Assert.Equal(["2", Tuples.Unchanged], Tuples.Read(batch, changes[1].New));
        Assert.Equal((ChangeKind.Delete, ChangeFlags.OldIsFull, 0), (changes[2].Kind, changes[2].Flags, changes[2].Relation));
        Assert.False(changes[2].HasNew);
        Assert.Equal(batch.Bytes.Length, changes[2].End);
        Assert.Equal(new Lsn(130), batch.DeliveredUpTo);
        Assert.False(batch.IsOpenAtEnd);
        Assert.False(batch.ContinuesAtStart);
        Assert.Equal(new DateTimeOffset(2000, 1, 1, 0, 0, 5, TimeSpan.Zero), batch.Transactions[0].CommittedAt);
    }

    [Fact]
    public void Should_count_ordinals_on_over_the_pieces_of_one_transaction()
    {
        _builder.Begin(7, new Lsn(100), 1);
        Insert(3);
        var first = _builder.Build();
        Assert.True(_builder.InTransaction);
        Insert(2);
        var second = _builder.Build();
        Insert(1);
        _builder.Commit(new Lsn(110));
        _builder.Begin(8, new Lsn(120), 2);
        Insert(1);
        _builder.Commit(new Lsn(130));
        var third = _builder.Build();

        Assert.Equal(
            [new TransactionSpan(7, new Lsn(100), Lsn.Zero, 1, 0, 3, 0, true, false)], first.Transactions.ToArray());
        Assert.Equal(
            [new TransactionSpan(7, new Lsn(100), Lsn.Zero, 1, 0, 2, 3, false, false)], second.Transactions.ToArray());
        Assert.Equal(
            [
                new TransactionSpan(7, new Lsn(100), new Lsn(110), 1, 0, 1, 5, false, true),
                new TransactionSpan(8, new Lsn(120), new Lsn(130), 2, 1, 1, 0, true, true),
            ],
            third.Transactions.ToArray());
        Assert.True(first.IsOpenAtEnd);
        Assert.False(first.ContinuesAtStart);
        Assert.True(second.IsOpenAtEnd);
        Assert.True(second.ContinuesAtStart);
        Assert.False(third.IsOpenAtEnd);
        Assert.True(third.ContinuesAtStart);
        Assert.Equal(new Lsn(100), first.DeliveredUpTo);
        Assert.Equal(new Lsn(100), second.DeliveredUpTo);
        Assert.Equal(new Lsn(130), third.DeliveredUpTo);
    }

    [Fact]
    public void Should_end_a_transaction_of_which_no_change_is_left()
    {
        _builder.Begin(7, new Lsn(100), 1);
        Insert(3);
        _builder.Build().Release();
        _builder.Commit(new Lsn(110));
        Assert.False(_builder.IsEmpty);
        var last = _builder.Build();
        Assert.Equal([new TransactionSpan(7, new Lsn(100), new Lsn(110), 1, 0, 0, 3, false, true)], last.Transactions.ToArray());
        Assert.Equal(new Lsn(110), last.DeliveredUpTo);
    }

    [Fact]
    public void Should_show_a_transaction_as_open_in_a_batch_that_brings_nothing_new_of_it()
    {
        _builder.Begin(7, new Lsn(100), 1);
        Insert(3);
        _builder.Build().Release();
        Assert.True(_builder.IsEmpty);
        var between = _builder.Build();
        Assert.True(between.IsOpenAtEnd);
        Assert.False(between.IsCoveredBy(new Lsn(100)));
        Insert(1);
        _builder.Commit(new Lsn(110));
        Assert.Equal(3, _builder.Build().Transactions[0].FirstOrdinal);
    }

    [Fact]
    public void Should_leave_only_progress_of_a_transaction_without_changes()
    {
        _builder.Begin(7, new Lsn(100), 1);
        Assert.True(_builder.IsEmpty);
        _builder.Commit(new Lsn(110));
        Assert.False(_builder.IsEmpty);
        var batch = _builder.Build();
        Assert.True(batch.IsEmpty);
        Assert.Equal(new Lsn(110), batch.DeliveredUpTo);
        Assert.False(batch.IsOpenAtEnd);
        Assert.True(_builder.IsEmpty);
    }

    [Fact]
    public void Should_not_let_a_keepalive_move_past_an_open_transaction()
    {
        _builder.Begin(7, new Lsn(100), 1);
        Insert(1);
        _builder.Advance(new Lsn(500));
        Assert.Equal(new Lsn(100), _builder.DeliveredUpTo);
        Assert.Equal(new Lsn(100), _builder.Build().DeliveredUpTo);
        _builder.Commit(new Lsn(110));
        _builder.Advance(new Lsn(500));
        Assert.Equal(new Lsn(500), _builder.Build().DeliveredUpTo);
    }

    [Fact]
    public void Should_never_go_back_with_what_is_delivered()
    {
        _builder.Advance(new Lsn(500));
        _builder.Build().Release();
        _builder.Advance(new Lsn(400));
        Assert.True(_builder.IsEmpty);
        _builder.Begin(7, new Lsn(450), 1);
        Insert(1);
        _builder.Commit(new Lsn(460));
        Assert.Equal(new Lsn(500), _builder.Build().DeliveredUpTo);
    }

    [Fact]
    public void Should_have_delivered_all_before_a_transaction_that_has_only_begun()
    {
        _builder.Begin(7, new Lsn(100), 1);
        Insert(1);
        _builder.Commit(new Lsn(110));
        _builder.Begin(8, new Lsn(200), 2);
        var batch = _builder.Build();
        Assert.Equal(new Lsn(200), batch.DeliveredUpTo);
        Assert.False(batch.IsOpenAtEnd);
        Insert(1);
        _builder.Commit(new Lsn(210));
        Assert.True(_builder.Build().Transactions[0].StartsHere);
    }

    [Fact]
    public void Should_mark_all_tables_of_one_truncate_but_the_last()
    {
        _builder.Begin(7, new Lsn(100), 1);
        _builder.AddTruncate([Orders, Items, Orders], ChangeFlags.TruncateCascade);
        _builder.AddTruncate([Items], ChangeFlags.TruncateRestartIdentity);
        _builder.Commit(new Lsn(110));
        var changes = _builder.Build().Changes.ToArray();
        Assert.All(changes, static c => Assert.Equal((ChangeKind.Truncate, false, false), (c.Kind, c.HasOld, c.HasNew)));
        Assert.Equal(
            [
                ChangeFlags.TruncateCascade | ChangeFlags.TruncateContinues,
                ChangeFlags.TruncateCascade | ChangeFlags.TruncateContinues,
                ChangeFlags.TruncateCascade,
                ChangeFlags.TruncateRestartIdentity,
            ],
            changes.Select(static c => c.Flags));
        Assert.Equal([0, 1, 0, 1], changes.Select(static c => c.Relation));
    }

    [Fact]
    public void Should_keep_a_table_that_changed_its_shape_apart_from_what_it_was()
    {
        var later = Orders with { Columns = [.. Orders.Columns, new RelationColumn("more", 23, -1, false)] };
        _builder.Begin(7, new Lsn(100), 1);
        _builder.AddInsert(Orders, Tuples.Text("1", "a"));
        _builder.AddInsert(later, Tuples.Text("2", "b", "3"));
        _builder.AddInsert(Orders, Tuples.Text("3", "c"));
        _builder.Commit(new Lsn(110));
        var batch = _builder.Build();
        Assert.Equal([0, 1, 0], batch.Changes.ToArray().Select(static c => c.Relation));
        Assert.Same(later, batch.Relations[1]);
        Assert.False(later.HasShapeOf(Orders));
        Assert.True((Orders with { Name = "renamed" }).HasShapeOf(Orders));
    }

    [Fact]
    public void Should_refuse_what_is_out_of_order()
    {
        Assert.Throws<InvalidOperationException>(() => _builder.Commit(new Lsn(1)));
        Assert.Throws<InvalidOperationException>(() => _builder.AddInsert(Orders, Tuples.Text("1")));
        _builder.Begin(7, new Lsn(100), 1);
        Assert.Throws<InvalidOperationException>(() => _builder.Begin(8, new Lsn(200), 1));
    }

    [Fact]
    public void Should_grow_without_losing_anything() =>
        Gen.Select(Gen.Int[1, 400], Gen.Int[0, 3000], Gen.Int[1, 40]).Sample(
            (transactions, length, cut) =>
            {
                var builder = new ChangeBatchBuilder();
                var read = new List<string>();
                var written = new List<string>();
                var text = new string('x', length);
                void Take()
                {
                    var batch = builder.Build();
                    foreach (var change in batch.Changes)
                        read.Add(Tuples.Read(batch, change.New)[0]);
                    batch.Release();
                }

                for (var i = 0; i < transactions; i++)
                {
                    builder.Begin((uint)i, new Lsn((ulong)i * 10), i);
                    for (var c = 0; c <= i % 3; c++)
                    {
                        written.Add($"{i}.{c} {text}");
                        builder.AddInsert(Orders, Tuples.Text(written[^1], "t"));
                    }

                    builder.Commit(new Lsn(((ulong)i * 10) + 5));
                    if (i % cut == 0)
                        Take();
                }

                Take();
                Assert.Equal(written, read);
            },
            Console.WriteLine, iter: 40);

    [Fact]
    public void Should_make_no_object_for_a_change()
    {
        var tuple = Tuples.Text("1", "a");
        void Fill()
        {
            _builder.Begin(7, new Lsn(100), 1);
            for (var i = 0; i < 10_000; i++)
                _builder.AddInsert(i % 2 == 0 ? Orders : Items, tuple);
            _builder.Commit(new Lsn(110));
            _builder.Build().Release();
        }

        Fill();
        Fill();
        var before = GC.GetAllocatedBytesForCurrentThread();
        Fill();
        // What is left is the batch, its list of relations, and arrays that the pool had not kept.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 10_000 * 8L);
    }

    void Insert(int count)
    {
        for (var i = 0; i < count; i++)
            _builder.AddInsert(Orders, Tuples.Text("1", "a"));
    }
}
