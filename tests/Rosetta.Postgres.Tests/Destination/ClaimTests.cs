using System.Runtime.CompilerServices;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>A table of the destination belongs to one table of one attachment.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class ClaimTests(DestinationServer server)
{
    static readonly TableName T = new("public", "t");
    static readonly TableName U = new("public", "u");

    async Task<Replica> StartAsync()
    {
        var replica = await server.ReplicaAsync("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY); INSERT INTO t VALUES (1); INSERT INTO u VALUES (2)");
        await replica.StartAsync();
        return replica;
    }

    static Task<IDestinationSession> OpenOtherAsync(Replica replica, DestinationOpening opening) => replica.Destination.OpenAsync(opening, default);

    async Task CopyAsync(Replica replica, IDestinationSession session, TableName from, TableName to)
    {
        var copy = new TableCopy(new TableRoute(from, to, null), (await replica.Catalog.DescribeAsync(from, default))!, replica.Opening.StartPosition, true, CopyFormat.Binary, null);
        await using var source = await SqlCopySource.OpenAsync(server.Server.ConnectionString(replica.Source), copy);
        await session.CopyTableAsync(copy, source, default);
    }

    async Task<Fault> RefusedAsync(Replica replica, IDestinationSession session, TableName from, TableName to)
    {
        var e = await Assert.ThrowsAsync<FaultException>(() => CopyAsync(replica, session, from, to));
        Assert.Equal(ErrorClass.Table, e.Fault.Class);
        Assert.Contains("resync", e.Fault.Remedy, StringComparison.Ordinal);
        Assert.Equal(1, await replica.TargetScalarAsync<int>("SELECT id FROM t"));
        return e.Fault;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Should_refuse_a_table_that_another_pipeline_has_until_it_is_given_back(bool otherInstallation)
    {
        await using var replica = await StartAsync();
        var opening = replica.Opening with
        {
            Installation = otherInstallation ? Guid.NewGuid() : replica.Opening.Installation, PipelineId = replica.Opening.PipelineId + 100_000, Generation = Guid.NewGuid(),
        };
        await using var other = await OpenOtherAsync(replica, opening);
        var fault = await RefusedAsync(replica, other, U, T);
        Assert.Contains(FormattableString.Invariant($"belongs to table public.t of pipeline {replica.Opening.PipelineId}"), fault.Reason, StringComparison.Ordinal);
        Assert.Equal(otherInstallation, fault.Reason.Contains("of another installation", StringComparison.Ordinal));
        await Assert.ThrowsAsync<FaultException>(async () => await other.AdoptTableAsync(
            new TableCopy(new TableRoute(U, T, null), (await replica.Catalog.DescribeAsync(U, default))!, replica.Opening.StartPosition, false, CopyFormat.Binary, null), default));
        await CopyAsync(replica, other, U, new TableName("public", "mine"));

        // As when the table is taken out of the pipeline that has it.
        await replica.Session.ForgetTableAsync(T, default);
        await CopyAsync(replica, other, U, T);
        Assert.Equal(2, await replica.TargetScalarAsync<int>("SELECT id FROM t"));
        await other.RemoveAsync(default);
        await CopyAsync(replica, replica.Session, T, T);
    }

    [Fact]
    public async Task Should_run_the_remedy_when_nobody_has_the_table_any_more()
    {
        await using var replica = await StartAsync();
        await using var other = await OpenOtherAsync(replica, replica.Opening with { Installation = Guid.NewGuid(), Generation = Guid.NewGuid() });
        var remedy = (await RefusedAsync(replica, other, U, T)).Remedy!;
        var from = remedy.IndexOf("DELETE FROM", StringComparison.Ordinal);
        await replica.TargetAsync(remedy[from..remedy.IndexOf(" Then POST", StringComparison.Ordinal)]);
        await CopyAsync(replica, other, U, T);
    }

    [Fact]
    public async Task Should_refuse_two_tables_of_one_attachment_and_two_attachments_of_one_pipeline()
    {
        await using var replica = await StartAsync();
        await RefusedAsync(replica, replica.Session, U, T);
        await using var second = await OpenOtherAsync(replica, replica.Opening with { DestinationId = 77, Generation = Guid.NewGuid() });
        await RefusedAsync(replica, second, T, T);
    }

    [Fact]
    public async Task Should_keep_its_tables_when_its_generation_is_renewed()
    {
        await using var replica = await StartAsync();
        await using var renewed = await OpenOtherAsync(replica, replica.Opening with { Generation = Guid.NewGuid(), Epoch = 2 });
        // The earlier generation is shut out with the epoch.
        await Assert.ThrowsAsync<FencedException>(() => replica.Session.ForgetTableAsync(T, default));
        await CopyAsync(replica, renewed, T, T);
        await CopyAsync(replica, renewed, U, U);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Should_take_over_from_a_pipeline_that_does_not_exist_any_more(bool exists)
    {
        await using var replica = await StartAsync();
        var opening = replica.Opening with { PipelineId = replica.Opening.PipelineId + 200_000, Generation = Guid.NewGuid(), Attachments = new Attachments(exists) };
        await using var other = await OpenOtherAsync(replica, opening);
        if (exists)
            await RefusedAsync(replica, other, U, T);
        else
            await CopyAsync(replica, other, U, T);
    }

    [Fact]
    public async Task Should_refuse_a_table_that_is_being_copied_by_another_and_leave_no_claim_when_a_copy_is_cut()
    {
        await using var replica = await StartAsync();
        var target = new TableName("public", "fresh");
        await using var other = await OpenOtherAsync(replica, replica.Opening with { PipelineId = replica.Opening.PipelineId + 300_000, Generation = Guid.NewGuid() });
        var held = new HeldSource();
        var table = (await replica.Catalog.DescribeAsync(T, default))!;
        var copying = replica.Session.CopyTableAsync(new TableCopy(new TableRoute(T, target, null), table, replica.Opening.StartPosition, true, CopyFormat.Binary, null), held, default);
        await held.Reading.Task;
        var fault = (await Assert.ThrowsAsync<FaultException>(() => CopyAsync(replica, other, U, target))).Fault;
        Assert.Contains("being claimed", fault.Reason, StringComparison.Ordinal);
        held.Cut.SetResult();
        await Assert.ThrowsAsync<IOException>(() => copying);
        await CopyAsync(replica, other, U, target);
    }

    sealed class Attachments(bool exists) : IAttachments
    {
        public Task<bool> MayExistAsync(long pipelineId, long destinationId, CancellationToken cancellationToken) => Task.FromResult(exists);
    }

    sealed class HeldSource : ICopySource
    {
        public TaskCompletionSource Reading { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Cut { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public IReadOnlyList<string> ColumnNames { get; } = ["id"];

        public async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
        {
            Reading.SetResult();
            await Cut.Task;
            yield return "PGCOPY\n"u8.ToArray();
            throw new IOException("cut");
        }
    }
}
