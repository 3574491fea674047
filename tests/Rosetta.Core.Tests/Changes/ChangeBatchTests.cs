using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Xunit;

namespace Rosetta.Core.Tests.Changes;

public sealed class ChangeBatchTests
{
    static readonly Relation Orders = Tuples.Relation("orders");

    [Fact]
    public void Should_be_covered_by_the_end_of_its_last_transaction()
    {
        var batch = Whole(100, 110);
        Assert.False(batch.IsCoveredBy(new Lsn(100)));
        Assert.False(batch.IsCoveredBy(new Lsn(109)));
        Assert.True(batch.IsCoveredBy(new Lsn(110)));
        Assert.True(batch.IsCoveredBy(new Lsn(111)));
    }

    [Fact]
    public void Should_be_needed_while_its_open_transaction_is_not_durable()
    {
        var builder = new ChangeBatchBuilder();
        builder.Begin(1, new Lsn(100), 1);
        builder.AddInsert(Orders, Tuples.Text("1", "a"));
        var piece = builder.Build();
        // Position 100: everything with a commit LSN below 100 is durable; the transaction of 100 itself is not.
        Assert.False(piece.IsCoveredBy(new Lsn(100)));
        Assert.True(piece.IsCoveredBy(new Lsn(101)));
    }

    [Fact]
    public void Should_be_covered_by_its_progress_when_it_is_empty()
    {
        var builder = new ChangeBatchBuilder();
        builder.Advance(new Lsn(300));
        var batch = builder.Build();
        Assert.True(batch.IsEmpty);
        Assert.False(batch.IsCoveredBy(new Lsn(299)));
        Assert.True(batch.IsCoveredBy(new Lsn(300)));
    }

    [Fact]
    public void Should_refuse_a_hold_after_the_last_release_and_a_release_too_many()
    {
        var batch = Whole(100, 110);
        batch.Retain();
        batch.Release();
        batch.Release();
        Assert.Throws<InvalidOperationException>(() => batch.Retain());
        batch = Whole(100, 110);
        batch.Release();
        Assert.Throws<InvalidOperationException>(batch.Release);
    }

    [Fact]
    public async Task Should_be_let_go_exactly_once_by_many_holders()
    {
        var batch = Whole(100, 110);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 20_000; i++)
            {
                batch.Retain();
                batch.Release();
            }
        })));
        batch.Release();
        Assert.Throws<InvalidOperationException>(batch.Release);
    }

    [Fact]
    public void Should_cost_what_its_arrays_take_whether_used_or_not()
    {
        var builder = new ChangeBatchBuilder();
        builder.Advance(new Lsn(1));
        // The first batch's arrays are rented for a busy stream.
        Assert.InRange(builder.Build().Size, 64 * 1024, 128 * 1024);
        builder.Begin(1, new Lsn(100), 1);
        builder.AddInsert(Orders, Tuples.Text("1", "a"));
        builder.Commit(new Lsn(110));
        Assert.InRange(builder.Build().Size, 1024, 4096);
        builder.Begin(1, new Lsn(200), 1);
        builder.AddInsert(Orders, Tuples.Text("1", new string('x', 1 << 20)));
        builder.Commit(new Lsn(210));
        Assert.InRange(builder.Build().Size, 1 << 20, 4 << 20);
    }

    static ChangeBatch Whole(ulong commit, ulong end)
    {
        var builder = new ChangeBatchBuilder();
        builder.Begin(1, new Lsn(commit), 1);
        builder.AddInsert(Orders, Tuples.Text("1", "a"));
        builder.Commit(new Lsn(end));
        return builder.Build();
    }
}
