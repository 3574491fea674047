// The process entry point; the host is built here.
var builder = WebApplication.CreateBuilder(args);
builder.Build().Run();
