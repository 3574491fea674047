using System.Globalization;
using Serilog;
using Serilog.Events;
using Serilog.Formatting.Compact;

namespace Rosetta.Node;

/// <summary>Structured logs to the console: text, or one JSON object a line with <c>LOG_FORMAT=json</c>.</summary>
static class NodeLogging
{
    const string Template = "{Timestamp:yyyy-MM-dd HH:mm:ss.fff} {Level:u3} {SourceContext:l}: {Message:lj}{NewLine}{Exception}";

    /// <summary>What Akka says about itself below a warning; our own actors log through it, too.</summary>
    static bool IsAkkasOwn(LogEvent e)
    {
        if (!Text(e, "SourceContext").StartsWith("Akka", StringComparison.Ordinal))
            return false;
        var source = Text(e, "LogSource") + Text(e, "ActorPath");
        return !source.Contains("/sharding/pipeline/", StringComparison.Ordinal) && !source.Contains("config-poller", StringComparison.Ordinal)
            && !source.Contains("source-monitor", StringComparison.Ordinal) && !source.Contains("Rosetta", StringComparison.Ordinal);
    }

    static string Text(LogEvent e, string property) =>
        e.Properties.TryGetValue(property, out var value) && value is ScalarValue { Value: { } scalar } ? scalar.ToString() ?? "" : "";

    public static void Configure(WebApplicationBuilder builder, NodeSettings settings)
    {
        if (!Enum.TryParse<LogEventLevel>(settings.LogLevel, ignoreCase: true, out var level))
            level = LogEventLevel.Information;
        var json = string.Equals(builder.Configuration["LOG_FORMAT"], "json", StringComparison.OrdinalIgnoreCase);
        var configuration = new LoggerConfiguration()
            .MinimumLevel.Is(level)
            .MinimumLevel.Override("Microsoft.AspNetCore", LogEventLevel.Warning)
            .Filter.ByExcluding(e => e.Level < LogEventLevel.Warning && level >= LogEventLevel.Information && IsAkkasOwn(e))
            .Enrich.FromLogContext();
        configuration = json
            ? configuration.WriteTo.Console(new RenderedCompactJsonFormatter())
            : configuration.WriteTo.Console(outputTemplate: Template, formatProvider: CultureInfo.InvariantCulture);
        Log.Logger = configuration.CreateLogger();
        builder.Logging.ClearProviders();
        builder.Services.AddSerilog(dispose: true);
    }
}
