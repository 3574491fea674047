using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Spill;
using Xunit;

namespace Rosetta.Store.Tests.Spill;

public sealed class SpillDamageTests(SpillFixture fixture) : SpillTests(fixture)
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Should_say_that_a_part_was_taken_away_instead_of_going_on_behind_it(int gone)
    {
        for (var i = 1; i <= 4; i++) await AppendAsync(Whole(100 + ((ulong)i * 10)));
        await Config.ExecuteAsync("DELETE FROM spill_parts WHERE sequence = @gone", new { gone });

        var read = 0;
        var error = await Assert.ThrowsAsync<SpillStoreException>(async () =>
        {
            while (await Store.ReadAsync(Log, read, None) is { } part) read = (int)part.Sequence;
        });
        Assert.Equal(gone - 1, read);
        AssertHole(error, gone);
        AssertHole(await Assert.ThrowsAsync<SpillStoreException>(() => Store.OpenAsync(Log, Epoch, None)), gone);
        // Nothing was made worse by looking.
        Assert.Equal(3, await Config.ScalarAsync<long>("SELECT count(*) FROM spill_parts"));
        // What can be had ends there.
        var extent = Assert.Single(await Store.ListAsync(Log.PipelineId, None));
        Assert.Equal((new Lsn(100), new Lsn(90 + ((ulong)gone * 10))), (extent.From, extent.Through));

        // The remedy: the log is let go, and known not to be there.
        await Config.ExecuteAsync(error.Fault.Remedy!.Split(": ")[1]);
        Assert.Empty(await Store.ListAsync(Log.PipelineId, None));
        Assert.Null(await Store.OpenAsync(Log, Epoch, None));
        await AppendAsync(Whole(900));
    }

    [Fact]
    public async Task Should_say_that_all_parts_were_taken_away()
    {
        await AppendAsync(Whole(110));
        await AppendAsync(Whole(120));
        await Config.ExecuteAsync("DELETE FROM spill_parts");

        AssertHole(await Assert.ThrowsAsync<SpillStoreException>(() => Store.OpenAsync(Log, Epoch, None)), 1);
        Assert.Equal(new Lsn(100), Assert.Single(await Store.ListAsync(Log.PipelineId, None)).Through);
    }

    [Fact]
    public async Task Should_have_nothing_when_the_log_was_taken_away()
    {
        await AppendAsync(Whole(110));
        await Config.ExecuteAsync("DELETE FROM spill_logs");

        Assert.Empty(await Store.ListAsync(Log.PipelineId, None));
        Assert.Null(await Store.ReadAsync(Log, 0, None));
        Assert.Null(await Store.RemoveAsync(Log, Epoch, new Lsn(110), None));
        Assert.Equal(ErrorClass.Transient, (await Assert.ThrowsAsync<SpillStoreException>(() => AppendAsync(Whole(120)))).Fault.Class);
        Assert.Null(await Store.OpenAsync(Log, Epoch, None));
        Assert.Equal((new Lsn(120), 1L), (await AppendAsync(Whole(130), from: 120)) switch { var e => (e.From, e.Parts) });
    }

    [Fact]
    public async Task Should_say_how_far_it_goes_when_the_config_database_is_restored_from_an_older_backup()
    {
        await AppendAsync(Whole(110));
        await Config.ExecuteAsync("CREATE TABLE logs_then AS TABLE spill_logs; CREATE TABLE parts_then AS TABLE spill_parts;");
        await AppendAsync(Whole(120));
        await Store.RemoveAsync(Log, Epoch, new Lsn(110), None);
        await Config.ExecuteAsync("DELETE FROM spill_logs; INSERT INTO spill_logs TABLE logs_then; INSERT INTO spill_parts TABLE parts_then;");

        var extent = Assert.Single(await Store.ListAsync(Log.PipelineId, None));
        Assert.Equal((new Lsn(100), new Lsn(110), 1L), (extent.From, extent.Through, extent.Parts));
        Assert.Equal(extent, await Store.OpenAsync(Log, Epoch, None));
    }

    [Theory]
    [InlineData("payload = set_byte(payload, 50, get_byte(payload, 50) # 1)", "checksum")]
    [InlineData("payload = substring(payload FOR 50)", "checksum")]
    [InlineData("payload = ''", "checksum")]
    [InlineData("checksum = checksum # 1", "checksum")]
    [InlineData("raw_bytes = raw_bytes + 1", "length")]
    [InlineData("raw_bytes = -1", "length")]
    [InlineData("raw_bytes = 2147483647", "length")]
    public async Task Should_say_that_a_part_is_damaged(string damage, string how)
    {
        foreach (var payload in new[] { Noise(1_000, 1), [.. Enumerable.Range(0, 10_000).Select(i => (byte)(i / 7))] })
        {
            await AppendAsync(new SpillPart(new Lsn(110), 1, payload));
            await Config.ExecuteAsync($"UPDATE spill_parts SET {damage}");

            var error = await Assert.ThrowsAsync<SpillStoreException>(() => Store.ReadAsync(Log, 0, None));

            Assert.Equal(ErrorClass.Operator, error.Fault.Class);
            Assert.Contains("damaged", error.Message, StringComparison.Ordinal);
            Assert.Contains(how, error.Message, StringComparison.Ordinal);
            await Store.RemoveAsync(Log, Epoch, new Lsn(110), None);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Should_say_that_a_part_was_written_by_a_newer_version(bool compression)
    {
        var part = Readable(110);
        var payload = part.Payload.ToArray();
        if (!compression) payload[3] = BatchCodec.Version + 1;
        await AppendAsync(part with { Payload = payload });
        if (compression) await Config.ExecuteAsync("UPDATE spill_parts SET compression = 'LATER'");

        var error = await Assert.ThrowsAsync<SpillStoreException>(() => Store.ReadAsync(Log, 0, None));

        Assert.Equal(ErrorClass.Operator, error.Fault.Class);
        Assert.Contains("newer version", error.Fault.Reason, StringComparison.Ordinal);
        Assert.Contains(compression ? "LATER" : "version 2", error.Fault.Reason, StringComparison.Ordinal);
        Assert.Contains("Run the newer version", error.Fault.Remedy, StringComparison.Ordinal);
    }

    static void AssertHole(SpillStoreException error, int part)
    {
        Assert.Equal(ErrorClass.Operator, error.Fault.Class);
        Assert.Contains($"Part {part} of the spill log", error.Fault.Reason, StringComparison.Ordinal);
        Assert.Contains("Bring the rows back", error.Fault.Remedy, StringComparison.Ordinal);
    }
}
